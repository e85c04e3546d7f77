//! Criterion's results, and the table of ratios made from them.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::Value;

use crate::table::OURS;

/// The median time of one function of a group.
#[derive(Debug, PartialEq)]
pub struct Estimate {
    /// The group, with the parameter if it has one.
    pub workload: String,
    /// The function: `ouroloop` or a peer.
    pub who: String,
    /// Nanoseconds for one iteration.
    pub median_ns: f64,
}

impl Estimate {
    fn is_ours(&self) -> bool {
        OURS.contains(&self.who.as_str())
    }
}

/// Reads all results below `folder` that were written since `since`.
///
/// # Errors
///
/// A file cannot be read, or is not one of criterion's.
pub fn read(folder: &Path, since: SystemTime) -> Result<Vec<Estimate>, Box<dyn Error>> {
    let mut found = Vec::new();
    if folder.is_dir() {
        collect(folder, since, &mut found)?;
    }
    Ok(found)
}

/// A row for each workload, a column for each peer: our time by theirs.
///
/// Below 1 we are faster. A workload that only one side has is left out.
pub fn table(estimates: &[Estimate]) -> String {
    let mut rows: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for (us, them) in estimates
        .iter()
        .flat_map(|us| estimates.iter().map(move |them| (us, them)))
    {
        if us.is_ours() && !them.is_ours() && us.workload == them.workload {
            let row = rows.entry(&us.workload).or_default();
            row.insert(&them.who, us.median_ns / them.median_ns);
        }
    }
    let peers: BTreeSet<&str> = rows.values().flat_map(|row| row.keys().copied()).collect();
    let mut text = format!("{:32}", "ours / theirs, medians");
    for peer in &peers {
        text += &format!(" {peer:>9}");
    }
    for (workload, ratios) in rows {
        text += &format!("\n{workload:32}");
        for peer in &peers {
            let shown = ratios
                .get(peer)
                .map_or_else(|| "-".to_owned(), |r| format!("{r:.2}"));
            text += &format!(" {shown:>9}");
        }
    }
    text.push('\n');
    text
}

fn collect(
    folder: &Path,
    since: SystemTime,
    found: &mut Vec<Estimate>,
) -> Result<(), Box<dyn Error>> {
    let (result, about) = (
        folder.join("new/estimates.json"),
        folder.join("new/benchmark.json"),
    );
    if result.is_file() && fs::metadata(&result)?.modified()? >= since {
        found.push(parse(&json(&about)?, &json(&result)?).ok_or_else(|| {
            format!(
                "{}: not as criterion writes it; delete the folder",
                result.display()
            )
        })?);
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, since, found)?;
        }
    }
    Ok(())
}

fn json(path: &Path) -> Result<Value, Box<dyn Error>> {
    let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(serde_json::from_str(&text)?)
}

fn parse(about: &Value, result: &Value) -> Option<Estimate> {
    let group = about["group_id"].as_str()?;
    let parameter = about["value_str"].as_str();
    Some(Estimate {
        workload: parameter.map_or_else(|| group.to_owned(), |value| format!("{group}/{value}")),
        who: about["function_id"].as_str().unwrap_or_default().to_owned(),
        median_ns: result["median"]["point_estimate"].as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_ratio_is_our_median_by_theirs() {
        let estimates = [
            estimate("spawn", "ouroloop", 20.0),
            estimate("spawn", "tokio", 80.0),
            estimate("yield", "tokio", 5.0),
            estimate("yield", "ouroloop", 10.0),
            estimate("yield", "smol", 4.0),
            estimate("close", "ouroloop", 3.0),
            estimate("open", "glommio", 3.0),
        ];
        let table = table(&estimates);
        let rows: Vec<Vec<_>> = table
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(
            rows,
            [
                vec!["ours", "/", "theirs,", "medians", "smol", "tokio"],
                vec!["spawn", "-", "0.25"],
                vec!["yield", "2.50", "2.00"],
            ]
        );
    }

    #[test]
    fn a_parameter_belongs_to_the_workload() {
        let about = json!({ "group_id": "gather", "function_id": "tokio", "value_str": "100" });
        let result = json!({ "median": { "point_estimate": 30.5 } });
        assert_eq!(
            parse(&about, &result),
            Some(estimate("gather/100", "tokio", 30.5))
        );
        assert_eq!(parse(&about, &json!({})), None);
    }

    #[test]
    fn only_results_of_this_run_are_read() {
        let root = std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id()));
        let new = root.join("spawn/tokio/new");
        fs::create_dir_all(&new).unwrap();
        let about = json!({ "group_id": "spawn", "function_id": "tokio", "value_str": null });
        fs::write(new.join("benchmark.json"), about.to_string()).unwrap();
        let result = json!({ "median": { "point_estimate": 1.5 } });
        fs::write(new.join("estimates.json"), result.to_string()).unwrap();
        let hour = Duration::from_secs(3600);
        let current = read(&root, SystemTime::now() - hour);
        let older = read(&root, SystemTime::now() + hour);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(current.unwrap(), [estimate("spawn", "tokio", 1.5)]);
        assert_eq!(older.unwrap(), []);
    }

    #[test]
    fn a_run_without_results_gives_an_empty_table() {
        assert_eq!(
            read(Path::new("no-such-folder"), SystemTime::now()).unwrap(),
            []
        );
        assert_eq!(table(&[]).lines().count(), 1);
    }

    fn estimate(workload: &str, who: &str, median_ns: f64) -> Estimate {
        Estimate {
            workload: workload.into(),
            who: who.into(),
            median_ns,
        }
    }
}
