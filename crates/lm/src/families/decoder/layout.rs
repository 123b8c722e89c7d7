//! Token positions and attention masks of padded batches.

use std::collections::HashMap;
use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use crate::layers::Branches;

/// Added to the score of a masked key. Finite, so that a row of padding, which sees no key, gives unused
/// numbers instead of NaN.
const HIDDEN: f32 = -1e30;

/// Positions of the tokens of one forward pass.
///
/// Training rows are padded on the right, where the causal mask alone hides the padding from every real
/// token; or they follow each other in one row without padding (packing). Prompts are padded on the left, so that all
/// rows continue at the same position.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Padding of each row, behind the tokens that all rows begin with; empty if no row has any.
    padding: Vec<usize>,
    /// Tokens that all rows begin with.
    shared: usize,
    /// Tokens already in the cache.
    past: usize,
    /// Tokens of this pass.
    tokens: usize,
    /// Lengths of the rows that follow each other in one row, without padding; empty if every row is its own.
    packed: Vec<usize>,
    /// Which of the last columns are continuations of the same beginning.
    branches: Branches,
}

/// Which keys every query sees.
pub(crate) enum Visible {
    /// The mask of all tokens, added to the attention scores; `None` if every key is visible.
    Masked(Box<Option<Tensor<4>>>),
    /// Tokens that see each other, in ranges that follow each other, each with its mask. Different ranges do not see
    /// each other: their scores are never computed.
    Ranges(Vec<(Range<usize>, Option<Tensor<4>>)>),
}

impl Layout {
    /// Rows that start at position 0.
    pub(crate) fn right_padded(tokens: usize) -> Self {
        Self {
            padding: Vec::new(),
            shared: 0,
            past: 0,
            tokens,
            packed: Vec::new(),
            branches: Branches::none(),
        }
    }

    /// Rows that follow each other in one, each from position 0.
    pub(crate) fn packed(lengths: &[usize]) -> Self {
        Self {
            padding: Vec::new(),
            shared: 0,
            past: 0,
            tokens: lengths.iter().sum(),
            packed: lengths.to_vec(),
            branches: Branches::none(),
        }
    }

    /// Rows that begin with `shared` tokens, followed by each row's own `padding`. `past` tokens are cached, padding
    /// among them.
    pub(crate) fn padded_behind(
        shared: usize,
        padding: &[usize],
        past: usize,
        tokens: usize,
    ) -> Self {
        let padded = padding.iter().any(|&n| n > 0);
        Self {
            padding: if padded { padding.to_vec() } else { vec![] },
            shared,
            past,
            tokens,
            packed: Vec::new(),
            branches: Branches::none(),
        }
    }

    /// These rows, the last columns of which are `branches`.
    pub(crate) fn branching(self, branches: Branches) -> Self {
        Self { branches, ..self }
    }

    /// Position of every token, one list per row, or one for all rows.
    pub(crate) fn positions(&self) -> Vec<Vec<usize>> {
        let row = |padding: usize| {
            let places = self.past..self.past + self.tokens;
            places.map(|place| self.position(place, padding)).collect()
        };
        if !self.packed.is_empty() {
            return vec![self.packed.iter().flat_map(|&length| 0..length).collect()];
        }
        match self.padding.as_slice() {
            [] => vec![row(0)],
            paddings => paddings.iter().map(|&n| row(n)).collect(),
        }
    }

    /// The position of the token at a place of a row with so much padding.
    fn position(&self, place: usize, padding: usize) -> usize {
        let place = self.branches.place(place);
        match place < self.shared {
            true => place,
            false => place.saturating_sub(padding).max(self.shared),
        }
    }

    /// Which keys every query sees.
    pub(crate) fn visible(&self, window: Option<usize>, groups: usize, device: &Device) -> Visible {
        if self.packed.is_empty() {
            return Visible::Masked(Box::new(self.mask(window, groups, device)));
        }
        // Rows of one length share a mask.
        let mut masks: HashMap<usize, Option<Tensor<4>>> = HashMap::new();
        let mut start = 0;
        let ranges = self.packed.iter().map(|&length| {
            let mask = masks
                .entry(length)
                .or_insert_with(|| Self::right_padded(length).mask(window, groups, device));
            let range = start..start + length;
            start = range.end;
            (range, mask.clone())
        });
        Visible::Ranges(ranges.collect())
    }

    /// The mask, added to the attention scores; `None` if every key is visible.
    ///
    /// The query heads that share a key head are laid out as consecutive rows, so the pattern is repeated
    /// `groups` times.
    ///
    /// # Shapes
    /// - output: `[batch or 1, 1, groups · tokens, past + tokens]`
    fn mask(&self, window: Option<usize>, groups: usize, device: &Device) -> Option<Tensor<4>> {
        let keys = self.past + self.tokens;
        let window = window.unwrap_or(keys);
        if self.tokens == 1 && self.padding.is_empty() && keys <= window {
            return None;
        }
        let paddings: &[usize] = match self.padding.as_slice() {
            [] => &[0],
            paddings => paddings,
        };
        let mut values = Vec::with_capacity(paddings.len() * groups * self.tokens * keys);
        for &padding in paddings {
            for _ in 0..groups {
                for query in self.past..keys {
                    let position = self.position(query, padding);
                    values.extend((0..keys).map(|key| {
                        let is_padding = (self.shared..self.shared + padding).contains(&key);
                        let visible = !is_padding
                            && self.branches.sees(query, key)
                            && position - self.position(key, padding) < window;
                        if visible { 0.0 } else { HIDDEN }
                    }));
                }
            }
        }
        let shape = [paddings.len(), 1, groups * self.tokens, keys];
        Some(Tensor::from_data(TensorData::new(values, shape), device))
    }
}
