//! What a suite is assembled from.

use serde::Deserialize;

/// A suite made of tasks of other suites, with so many rows of each.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Name of the suite.
    pub name: String,
    /// Longest row in tokens, prompt and answer with its end together. Longer rows are left out.
    pub max_tokens: usize,
    /// What stands between prompt and answer; it becomes the beginning of every answer.
    #[serde(default)]
    pub before_answer: String,
    /// Number of rows of every task.
    pub rows: RowCounts,
    /// Orders of the tasks; the first one is order 1.
    pub orders: Vec<Vec<String>>,
    /// The tasks.
    pub tasks: Vec<RecipeTask>,
}

/// Numbers of rows by split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    /// Rows to learn from.
    pub train: usize,
    /// Rows to choose settings with.
    pub validation: usize,
    /// Rows for reported scores.
    pub test: usize,
}

/// A task of another suite.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecipeTask {
    /// Its name in both suites.
    pub name: String,
    /// The name of the suite that it comes from.
    pub from: String,
    /// Longest answer in tokens; that of its suite if absent.
    #[serde(default)]
    pub max_new_tokens: Option<usize>,
    /// Number of epochs.
    #[serde(default = "one")]
    pub epochs: usize,
    /// Numbers of rows that replace those of the recipe.
    #[serde(default)]
    pub rows: Option<RowCounts>,
}

fn one() -> usize {
    1
}
