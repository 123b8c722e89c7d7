//! Assembles a suite from tasks of other suites.

mod recipe;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use recipe::{Recipe, RecipeTask, RowCounts};

use crate::error::BenchmarkError;
use crate::flaws::{Split, repaired};
use crate::load::{Row, load_task};
use crate::registry::Benchmarks;
use crate::suite::{Format, Suite, TaskSpec};

/// The files of an assembled suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assembled {
    /// Contents by names relative to the suite's folder.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What was left out, in sentences.
    pub remarks: Vec<String>,
}

/// Assembles a suite: rows of every task that are not flawed and not too long, taken at even distances over the
/// whole file, so that a file sorted by its labels gives all of them.
///
/// `sources` are folders of suites by the names that the recipe gives them. `fits` says of a prompt and an answer
/// whether they are at most [`max_tokens`](Recipe::max_tokens) long.
///
/// # Errors
///
/// [`BenchmarkError::UnknownSource`], [`BenchmarkError::UnknownTask`], [`BenchmarkError::RepeatedTask`],
/// [`BenchmarkError::TooFewRows`], [`BenchmarkError::NoRowsWanted`], the errors of [`Benchmarks::open`] and [`load_task`].
pub fn assemble(
    recipe: &Recipe,
    sources: &BTreeMap<String, PathBuf>,
    benchmarks: &Benchmarks,
    fits: &dyn Fn(&Row) -> bool,
) -> Result<Assembled, BenchmarkError> {
    let (mut files, mut remarks, mut tasks) = (BTreeMap::new(), Vec::new(), Vec::<TaskSpec>::new());
    for wanted in &recipe.tasks {
        if tasks.iter().any(|task| task.name == wanted.name) {
            return Err(BenchmarkError::RepeatedTask {
                order: recipe.name.clone(),
                name: wanted.name.clone(),
            });
        }
        let Some(folder) = sources.get(&wanted.from) else {
            let known: Vec<&str> = sources.keys().map(String::as_str).collect();
            return Err(BenchmarkError::UnknownSource {
                task: wanted.name.clone(),
                source_name: wanted.from.clone(),
                known: match known.is_empty() {
                    true => "none".to_string(),
                    false => known.join(", "),
                },
            });
        };
        let source = benchmarks.open(folder)?;
        let spec = source.task(&wanted.name)?;
        let (rows, repairs) = repaired(load_task(folder, spec)?);
        remarks.extend(
            repairs
                .iter()
                .map(|said| format!("{}: {said}", wanted.name)),
        );
        let counts = wanted.rows.unwrap_or(recipe.rows);
        let splits = [
            (Split::Train, "train.json", rows.train, counts.train),
            (
                Split::Validation,
                "eval.json",
                rows.validation,
                counts.validation,
            ),
            (Split::Test, "test.json", rows.test, counts.test),
        ];
        for (split, file, rows, count) in splits {
            if count == 0 {
                return Err(BenchmarkError::NoRowsWanted {
                    task: wanted.name.clone(),
                    split: split.to_string(),
                });
            }
            let all = rows.len();
            let rows = rows.into_iter().map(|row| Row {
                answer: format!("{}{}", recipe.before_answer, row.answer),
                ..row
            });
            let fitting: Vec<Row> = rows.filter(|row| fits(row)).collect();
            if fitting.len() < count {
                return Err(BenchmarkError::TooFewRows {
                    task: wanted.name.clone(),
                    split: split.to_string(),
                    wanted: count,
                    found: fitting.len(),
                    all,
                    max_tokens: recipe.max_tokens,
                });
            }
            remarks.push(format!(
                "{}: {count} of {} {split} rows with at most {} tokens ({all} in all)",
                wanted.name,
                fitting.len(),
                recipe.max_tokens,
            ));
            let taken = (0..count).map(|index| &fitting[index * fitting.len() / count]);
            let taken: Vec<&Row> = taken.collect();
            files.insert(format!("{}/{file}", wanted.name), json(&taken));
        }
        tasks.push(TaskSpec {
            name: wanted.name.clone(),
            score: spec.score.clone(),
            max_new_tokens: wanted.max_new_tokens.unwrap_or(spec.max_new_tokens),
            epochs: wanted.epochs,
            labels: rows.labels,
            folder: None,
            format: Format::Prompts,
        });
    }
    let suite = Suite {
        name: recipe.name.clone(),
        tasks,
        orders: recipe.orders.clone(),
        general: None,
    };
    for order in 1..=suite.orders.len() {
        suite.order(&order.to_string())?;
    }
    files.insert("suite.json".to_string(), json(&suite));
    Ok(Assembled { files, remarks })
}

/// Indented JSON with a line break at the end.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .expect("invariant: rows and descriptions are maps with keys of text");
    bytes.push(b'\n');
    bytes
}
