//! Whether a result that was read can be one: a file may have been edited, or cut and repaired by hand.

use anyhow::{Result, ensure};

use super::RunResult;

/// Most that a score may differ from the mean of its rows: sums in another order differ by far less.
const SUM: f64 = 1e-6;

/// Checks everything that a run cannot have measured: the size of every list, the range of every number, and whether the
/// scores after the last task are the means of the scores of their rows.
///
/// # Errors
///
/// The first number that cannot be, and what it should be.
pub fn check(result: &RunResult) -> Result<()> {
    let count = result.tasks.len();
    result.matrix()?;
    result.label_matrix()?;
    for (name, length) in [
        ("row_scores", result.row_scores.len()),
        ("in_format", result.in_format.len()),
    ] {
        ensure!(
            length == 0 || length == count,
            "{name} is of {length} tasks, and the run learned {count}"
        );
    }
    let scores = result.scores.iter().flatten().flatten();
    let scores = scores.map(|score| ("scores", *score));
    let rows = result.row_scores.iter().flatten();
    let rows = rows.map(|score| ("row_scores", *score));
    let shares = result.in_format.iter().flatten();
    let shares = shares.map(|share| ("in_format", *share));
    let general = result.general.iter();
    let general = general.flat_map(|(before, after)| [("general", *before), ("general", *after)]);
    for (name, percent) in scores.chain(rows).chain(shares).chain(general) {
        ensure!(
            (-SUM..=100.0 + SUM).contains(&percent),
            "{name} has {percent}, and a score is a number from 0 to 100"
        );
    }
    let seconds = [
        ("training_seconds", Some(result.training_seconds)),
        ("split_seconds", result.split_seconds),
        ("calibration_seconds", result.calibration_seconds),
        ("wall_seconds", result.wall_seconds),
    ];
    for (name, seconds) in seconds {
        let seconds = seconds.unwrap_or(0.0);
        ensure!(
            seconds >= 0.0 && seconds.is_finite(),
            "{name} is {seconds}, and a time is a number of at least 0"
        );
    }
    let rate = result.learning_rate;
    ensure!(
        rate > 0.0 && rate.is_finite(),
        "learning_rate is {rate}, and must be a number above 0"
    );
    let last = result.scores.last().into_iter().flatten();
    for ((task, score), rows) in result.tasks.iter().zip(last).zip(&result.row_scores) {
        ensure!(
            !rows.is_empty(),
            "row_scores of {task} are empty, and every task has rows"
        );
        let mean = rows.iter().sum::<f64>() / rows.len() as f64;
        ensure!(
            score.is_some_and(|score| (score - mean).abs() <= SUM),
            "the score of {task} after the last task is {}, and the mean of its row_scores is {mean}",
            score.map_or("missing".to_string(), |score| score.to_string())
        );
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::path::{Path, PathBuf};

    use serde_json::{Value, json};

    use super::*;

    fn whole() -> Value {
        json!({
            "method": "m",
            "seed": 0,
            "learning_rate": 1e-3,
            "tasks": ["a", "b"],
            "scores": [[1.0, null], [100.0, 3.0], [50.0, 20.0]],
            "row_scores": [[100.0, 0.0], [20.0]],
            "in_format": [50.0, null],
            "general": [40.0, 30.0],
            "trainable_parameters": 1,
            "training_seconds": 1.5,
        })
    }

    fn found(result: &Value) -> Result<RunResult> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("result-x.json");
        std::fs::write(&file, result.to_string()).unwrap();
        RunResult::read_all(folder.path()).map(|mut all| all.remove(0))
    }

    #[test]
    fn what_no_run_can_have_measured_is_refused_with_the_name_of_the_file() {
        found(&whole()).unwrap();
        let wrong = [
            ("/scores/1/0", json!(101.0), "from 0 to 100"),
            ("/scores/1/1", json!(-3.0), "from 0 to 100"),
            ("/scores/2/0", json!(60.0), "mean of its row_scores is 50"),
            ("/scores/2/1", json!(null), "is missing"),
            ("/scores/2", json!([50.0]), "3 rows of 2 scores"),
            ("/row_scores", json!([[50.0]]), "row_scores is of 1 tasks"),
            ("/row_scores/1", json!([]), "row_scores of b are empty"),
            ("/row_scores/0/0", json!(1e300), "from 0 to 100"),
            ("/in_format", json!([1.0]), "in_format is of 1 tasks"),
            ("/in_format/0", json!(-1.0), "from 0 to 100"),
            ("/general/1", json!(300.0), "from 0 to 100"),
            ("/training_seconds", json!(-1.0), "training_seconds is -1"),
            ("/learning_rate", json!(0.0), "learning_rate is 0"),
            // JSON has no NaN.
            ("/general/0", json!(null), "invalid type: null"),
        ];
        for (place, value, words) in wrong {
            let mut result = whole();
            *result.pointer_mut(place).unwrap() = value;
            let error = format!("{:#}", found(&result).unwrap_err());
            assert!(error.contains(words), "{place}: {error}");
            assert!(error.contains("result-x.json"), "{place}: {error}");
        }
    }

    fn results_in(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                results_in(&path, found);
            } else if name.starts_with("result-") && name.ends_with(".json") {
                found.push(path);
            }
        }
    }

    #[test]
    fn every_committed_result_can_be_one() {
        let mut files = Vec::new();
        let results = concat!(env!("CARGO_MANIFEST_DIR"), "/../../results");
        results_in(Path::new(results), &mut files);
        assert!(files.len() > 50, "{}", files.len());
        for file in files {
            RunResult::read_file(&file).unwrap();
        }
    }
}
