//! Removes the rows that distort a score.

use std::collections::HashSet;

use super::{Split, is_labelled};
use crate::load::{Row, TaskRows};

/// Repairs the rows of a task, and describes the changes in sentences.
///
/// Rows without a gold label are removed from all splits. Other test rows stay, so that scores are
/// comparable with published ones. Training rows with the prompt of a test row are removed, and so
/// are validation rows with the prompt of a test row or of a remaining training row. If no
/// validation row remains, every tenth training row becomes a validation row. Repeated training
/// rows stay, so frequent rows keep their weight.
pub fn repaired(mut rows: TaskRows) -> (TaskRows, Vec<String>) {
    let mut changes = Vec::new();
    let labels = std::mem::take(&mut rows.labels);
    for (of, rows) in [
        (Split::Train, &mut rows.train),
        (Split::Validation, &mut rows.validation),
        (Split::Test, &mut rows.test),
    ] {
        let all = rows.len();
        rows.retain(|row| is_labelled(row, &labels));
        if rows.len() < all {
            let left_out = all - rows.len();
            changes.push(format!(
                "left out {left_out} of {all} {of} rows that have no gold label"
            ));
        }
    }
    rows.labels = labels;
    let prompts =
        |rows: &[Row]| -> HashSet<String> { rows.iter().map(|row| row.prompt.clone()).collect() };
    let test = prompts(&rows.test);
    let all = rows.train.len();
    rows.train.retain(|row| !test.contains(&row.prompt));
    if rows.train.len() < all {
        let left_out = all - rows.train.len();
        changes.push(format!(
            "left out {left_out} of {all} training rows whose prompt is a test row's"
        ));
    }
    let train = prompts(&rows.train);
    let all = rows.validation.len();
    rows.validation
        .retain(|row| !test.contains(&row.prompt) && !train.contains(&row.prompt));
    let left = rows.validation.len();
    if left < all {
        changes.push(format!(
            "left out {} of {all} validation rows whose prompt is a test or training row's",
            all - left
        ));
    }
    if left == 0 && rows.train.len() >= 10 {
        rows.validation = rows.train.iter().skip(9).step_by(10).cloned().collect();
        let moved = prompts(&rows.validation);
        let all = rows.train.len();
        rows.train.retain(|row| !moved.contains(&row.prompt));
        let became = rows.validation.len();
        changes.push(format!(
            "{became} training rows became validation rows, since none was left"
        ));
        let repeated = all - rows.train.len() - became;
        if repeated > 0 {
            changes.push(format!(
                "left out {repeated} more of {all} training rows, whose prompts are among those"
            ));
        }
    }
    (rows, changes)
}
