//! `docs/features.md`, which lists asyncio's features with their state here, says what is so.
//!
//! A feature that works names the tests that show it, and those exist; one that does not says why;
//! the counts at the top are right. Whether a test shows what its row says is for people to judge.

mod blank;
mod known;
mod page;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use ouroloop_tests::conformance::{Scenario, Verdict, corpus_files, read_corpus};

use self::known::KnownTests;

/// How many features asyncio has, by the numbers of the page.
const FEATURES: u32 = 187;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the package is in the workspace")
}

#[test]
fn every_feature_of_asyncio_has_its_true_state_on_the_page() {
    let page = root().join("docs/features.md");
    let text = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page:?}: {error}"));
    let proofs = Proofs::read();
    let faults = page::faults(&text, FEATURES, &|proof| proofs.fault(proof));
    assert!(
        faults.is_empty(),
        "docs/features.md has {} faults:\n{}",
        faults.len(),
        faults.join("\n")
    );
}

/// All that a row can name to show that its feature works.
struct Proofs {
    tests: KnownTests,
    scenarios: BTreeMap<String, Scenario>,
    /// What became of the scenarios that were named.
    seen: RefCell<BTreeMap<String, Option<String>>>,
}

impl Proofs {
    fn read() -> Proofs {
        let files = corpus_files().unwrap_or_else(|error| panic!("{error}"));
        let scenarios = files
            .iter()
            .flat_map(|file| read_corpus(file).unwrap_or_else(|error| panic!("{error}")))
            .map(|scenario| (scenario.name.clone(), scenario))
            .collect();
        Proofs {
            tests: KnownTests::read(root()).unwrap_or_else(|error| panic!("{error}")),
            scenarios,
            seen: RefCell::default(),
        }
    }

    /// What is wrong with a proof, if something is.
    fn fault(&self, proof: &str) -> Option<String> {
        match proof.strip_prefix("corpus::") {
            Some(name) => self.fault_of_scenario(name),
            None => self.tests.fault(proof),
        }
    }

    fn fault_of_scenario(&self, name: &str) -> Option<String> {
        let Some(scenario) = self.scenarios.get(name) else {
            return Some("there is no such scenario in tests/corpus".into());
        };
        let mut seen = self.seen.borrow_mut();
        let fault = seen
            .entry(name.to_owned())
            .or_insert_with(|| match Verdict::of(scenario).0 {
                Verdict::Passed => None,
                other => Some(format!("this scenario does not pass: {other:?}")),
            });
        fault.clone()
    }
}

#[test]
fn tests_of_every_kind_are_known_by_the_name_that_cargo_has_for_them() {
    let proofs = Proofs::read();
    for proof in [
        "ouroloop-tests::features::tests_of_every_kind_are_known_by_the_name_that_cargo_has_for_them",
        "ouroloop-tests::features::known::tests::a_test_that_is_never_run_is_no_proof",
        "ouroloop-core::lib::clock::tests::clones_of_a_virtual_clock_show_the_same_time",
        "ouroloop-core::it::callbacks::dropping_a_handle_loses_nothing",
        "ouroloop::run::a_panic_of_main_goes_on_after_the_shutdown",
        "corpus::cancel-is-edge-triggered",
    ] {
        assert_eq!(proofs.fault(proof), None, "{proof}");
    }
}

#[test]
fn a_name_with_any_mistake_in_it_is_found_out() {
    let proofs = Proofs::read();
    for proof in [
        "ouroloop-core::it::callbacks::dropping_a_handle_loses_something",
        "ouroloop-core::it::timers::dropping_a_handle_loses_nothing",
        "ouroloop-core::lib::callbacks::dropping_a_handle_loses_nothing",
        "ouroloop-task::it::callbacks::dropping_a_handle_loses_nothing",
        "ouroloop-core::it::callbacks",
        "dropping_a_handle_loses_nothing",
        "ouroloop-core::it::support::turns",
        "corpus::cancel-is-level-triggered",
        "",
    ] {
        assert!(proofs.fault(proof).is_some(), "{proof}");
    }
}
