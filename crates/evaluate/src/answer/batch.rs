//! Token rows in batches: of like length, with what they begin with apart.

use anyhow::{Result, ensure};

use super::Limits;

/// Rows that are computed together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch {
    /// Places of the rows in the list that was batched.
    pub rows: Vec<usize>,
    /// Tokens that all rows begin with; each row has at least one more.
    pub prefix: usize,
}

/// Batches rows of tokens. Rows with the same `group`, such as those behind the same examples, stay together as far as
/// the limits allow, so that they share a long beginning.
///
/// # Errors
///
/// A row with no token, or with more than the model can read together with `more` tokens that follow it.
pub(super) fn batches(
    rows: &[Vec<u32>],
    groups: &[&str],
    more: usize,
    limits: Limits,
    name: &dyn Fn(usize) -> String,
) -> Result<Vec<Batch>> {
    for (at, row) in rows.iter().enumerate() {
        ensure!(!row.is_empty(), "{}: the text has no token", name(at));
        if let Some(context) = limits.context {
            ensure!(
                row.len() + more <= context,
                "{}: {} tokens and {more} more are over the {context} that the model can read; leave the suite out, or \
                 take a model with a longer context",
                name(at),
                row.len()
            );
        }
    }
    let mut order: Vec<usize> = (0..rows.len()).collect();
    // The first place of a group stands for it, so that groups keep their order.
    let mut first = std::collections::HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        first.entry(*group).or_insert(at);
    }
    order.sort_by_key(|&at| (first[groups[at]], rows[at].len(), at));
    let mut batches: Vec<Batch> = Vec::new();
    let mut current: Vec<usize> = Vec::new();
    let mut prefix = 0;
    for at in order {
        if let Some(&last) = current.last() {
            let shared = common(&rows[last], &rows[at]).min(prefix);
            // Sorted by length: this row is the longest one.
            let own = rows[at].len() - shared.min(rows[at].len());
            let fits = current.len() < limits.rows
                && groups[last] == groups[at]
                && own * (current.len() + 1) <= limits.tokens;
            match fits {
                true => prefix = shared,
                false => batches.push(finished(std::mem::take(&mut current), prefix, rows)),
            }
        }
        if current.is_empty() {
            prefix = rows[at].len();
        }
        current.push(at);
    }
    if !current.is_empty() {
        batches.push(finished(current, prefix, rows));
    }
    Ok(batches)
}

fn finished(batch: Vec<usize>, prefix: usize, rows: &[Vec<u32>]) -> Batch {
    let shortest = batch.iter().map(|&at| rows[at].len()).min().unwrap_or(1);
    // A single row shares its beginning with nobody.
    let prefix = match batch.len() {
        1 => 0,
        _ => prefix.min(shortest - 1),
    };
    Batch {
        rows: batch,
        prefix,
    }
}

/// Number of tokens that two rows begin with alike.
fn common(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn made(rows: &[&[u32]], groups: &[&str], limits: Limits) -> Vec<(Vec<usize>, usize)> {
        let rows: Vec<Vec<u32>> = rows.iter().map(|row| row.to_vec()).collect();
        let name = |at: usize| format!("row {at}");
        let batches = batches(&rows, groups, 0, limits, &name).unwrap();
        batches
            .into_iter()
            .map(|batch| (batch.rows, batch.prefix))
            .collect()
    }

    fn limits(rows: usize, tokens: usize) -> Limits {
        Limits {
            rows,
            tokens,
            context: None,
        }
    }

    #[test]
    fn rows_of_a_group_share_what_they_all_begin_with() {
        let rows: [&[u32]; 5] = [&[1, 2, 3, 4], &[9, 9], &[1, 2, 5], &[9], &[1, 2, 3, 4]];
        let groups = ["a", "b", "a", "b", "a"];
        let found = made(&rows, &groups, limits(8, 100));
        // The shorter rows first; a row keeps at least one token of its own.
        assert_eq!(found, [(vec![2, 0, 4], 2), (vec![3, 1], 0)]);
        let same = made(&[&[1, 2, 3], &[1, 2, 3]], &["", ""], limits(8, 100));
        assert_eq!(same, [(vec![0, 1], 2)]);
    }

    #[test]
    fn batches_hold_no_more_than_they_may() {
        let row: Vec<u32> = (0..10).collect();
        let rows = vec![row.as_slice(); 7];
        let counted = |limits| -> Vec<usize> {
            let batches = made(&rows, &[""; 7], limits);
            batches.into_iter().map(|(rows, _)| rows.len()).collect()
        };
        assert_eq!(counted(limits(3, 1000)), [3, 3, 1]);
        // Different rows: every one counts in full.
        let different: Vec<Vec<u32>> = (0..5).map(|at| vec![at; 10]).collect();
        let different: Vec<&[u32]> = different.iter().map(Vec::as_slice).collect();
        let batches = made(&different, &[""; 5], limits(9, 25));
        assert_eq!(
            batches
                .iter()
                .map(|(rows, _)| rows.len())
                .collect::<Vec<_>>(),
            [2, 2, 1]
        );
        // A row that is longer than a batch may be has one of its own.
        assert_eq!(made(&[&[1, 2, 3]], &[""], limits(1, 2)), [(vec![0], 0)]);
    }

    #[test]
    fn rows_that_are_empty_or_too_long_are_named() {
        let error = |rows: &[Vec<u32>], more, context| {
            let limits = Limits {
                context: Some(context),
                ..Limits::default()
            };
            let groups = vec![""; rows.len()];
            batches(rows, &groups, more, limits, &|at| format!("row {at}"))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error(&[vec![1], vec![]], 0, 9),
            "row 1: the text has no token"
        );
        let text = error(&[vec![1; 5]], 3, 7);
        assert!(
            text.starts_with("row 0: 5 tokens and 3 more are over the 7"),
            "{text}"
        );
    }
}
