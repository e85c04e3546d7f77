//! The corpus: each scenario leaves the trace that CPython's asyncio leaves.

use std::path::Path;

use ouroloop_tests::conformance::{Report, Verdict, corpus_files, read_corpus};

/// Compares the scenarios of a file, and wants none to fail and some to be run.
#[track_caller]
fn holds(file: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(file);
    let mut report = Report::default();
    let mut differences = String::new();
    for scenario in read_corpus(&path).unwrap_or_else(|error| panic!("{error}")) {
        let (verdict, _) = Verdict::of(&scenario);
        report.count(&verdict);
        if let Verdict::Failed { difference } = verdict {
            differences += &format!("\n{}: {difference}", scenario.name);
        }
    }
    assert_eq!(report.failed, 0, "{report}{differences}");
    assert!(report.passed > 0, "{file}: {report}");
}

macro_rules! corpus {
    ($($test:ident: $file:literal,)*) => {
        $(
            #[test]
            fn $test() {
                holds($file);
            }
        )*

        #[test]
        fn every_file_of_the_corpus_has_its_test() {
            let files = corpus_files().unwrap_or_else(|error| panic!("{error}"));
            let names: Vec<_> = files.iter().filter_map(|it| it.file_name()?.to_str()).collect();
            let mut tested = [$($file),*];
            tested.sort_unstable();
            assert_eq!(names, tested);
        }
    };
}

corpus! {
    handmade_scenarios_leave_the_traces_of_asyncio: "handmade.jsonl",
    nested_scopes_and_corner_cases_leave_the_traces_of_asyncio: "more.jsonl",
    random_programs_of_all_kinds_leave_the_traces_of_asyncio: "random-all.jsonl",
    random_cancellations_leave_the_traces_of_asyncio: "random-cancel.jsonl",
    random_groups_leave_the_traces_of_asyncio: "random-groups.jsonl",
    random_queues_leave_the_traces_of_asyncio: "random-queues.jsonl",
    random_primitives_leave_the_traces_of_asyncio: "random-sync.jsonl",
    random_tasks_leave_the_traces_of_asyncio: "random-tasks.jsonl",
}
