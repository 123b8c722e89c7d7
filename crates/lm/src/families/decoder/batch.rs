//! Examples as the rows of a forward pass.

use super::layout::Layout;
use crate::text::Example;
use crate::training::Targets;

/// The rows of a forward pass, with what they are to predict.
pub(super) struct Batch {
    pub rows: Vec<Vec<u32>>,
    pub layout: Layout,
    pub targets: Targets,
}

impl Batch {
    /// Every example is a row, padded to the longest.
    pub(super) fn padded(examples: &[Example]) -> Self {
        let rows = joined(examples);
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            rows,
            layout: Layout::right_padded(longest),
            targets: targets(examples),
        }
    }

    /// All examples in one row, without padding.
    pub(super) fn packed(examples: &[Example]) -> Self {
        let rows = joined(examples);
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |start, length| {
                *start += length;
                Some(*start - length)
            })
            .collect();
        let Targets(targets) = targets(examples);
        let moved = targets.into_iter();
        let moved = moved.map(|(row, position, token)| (0, starts[row] + position, token));
        Self {
            rows: vec![rows.concat()],
            layout: Layout::packed(&lengths),
            targets: Targets(moved.collect()),
        }
    }
}

/// All answer tokens that count in the loss, as targets.
pub(super) fn targets(examples: &[Example]) -> Targets {
    let mut chosen = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        for (offset, token) in example.counted() {
            let place = example.prompt.len() + offset;
            if place > 0 {
                chosen.push((row, place - 1, token));
            }
        }
    }
    assert!(!chosen.is_empty(), "no example has a token to predict");
    Targets(chosen)
}

/// Rows for the model: every prompt followed by its answer.
pub(super) fn joined(examples: &[Example]) -> Vec<Vec<u32>> {
    examples
        .iter()
        .map(|example| [example.prompt.as_slice(), &example.answer].concat())
        .collect()
}
