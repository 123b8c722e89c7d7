//! A tokenized training row.

/// One tokenized training row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Example {
    /// Token ids that the model reads; they do not count in the loss.
    pub prompt: Vec<u32>,
    /// Token ids that the model must predict, including the end token if it fits.
    pub answer: Vec<u32>,
    /// Whether each token of the answer counts in the loss; empty if all do. In a conversation, the turns
    /// of the user between two answers do not count.
    pub loss_mask: Vec<bool>,
}

impl Example {
    /// A row whose whole answer counts in the loss.
    pub fn new(prompt: Vec<u32>, answer: Vec<u32>) -> Self {
        Self {
            prompt,
            answer,
            loss_mask: Vec::new(),
        }
    }

    /// A row from its tokens and a mask of the same length, which says which of them count in the loss. The
    /// prompt ends before the first token that counts.
    ///
    /// # Panics
    ///
    /// If the lengths differ.
    pub fn masked(mut tokens: Vec<u32>, mask: &[bool]) -> Self {
        assert_eq!(tokens.len(), mask.len(), "one entry of the mask per token");
        let first = mask.iter().position(|&counts| counts);
        let first = first.unwrap_or(tokens.len());
        let answer = tokens.split_off(first);
        let mask = &mask[first..];
        Self {
            prompt: tokens,
            answer,
            loss_mask: match mask.iter().all(|&counts| counts) {
                true => Vec::new(),
                false => mask.to_vec(),
            },
        }
    }

    /// Number of tokens in prompt and answer.
    pub fn len(&self) -> usize {
        self.prompt.len() + self.answer.len()
    }

    /// Whether prompt and answer are both empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The tokens of the answer that count in the loss, each with its position in the answer.
    pub fn counted(&self) -> impl Iterator<Item = (usize, u32)> {
        let counts = |position: usize| self.loss_mask.get(position).copied().unwrap_or(true);
        let answer = self.answer.iter().copied().enumerate();
        answer.filter(move |&(position, _)| counts(position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_divides_a_row_at_its_first_counted_token() {
        let row = |mask: [bool; 4]| Example::masked(vec![7, 8, 9, 6], &mask);
        let turns = row([false, true, false, true]);
        assert_eq!((turns.prompt.len(), turns.answer.len()), (1, 3));
        assert_eq!(turns.counted().collect::<Vec<_>>(), [(0, 8), (2, 6)]);
        assert_eq!(
            row([false, false, true, true]),
            Example::new(vec![7, 8], vec![9, 6])
        );
        let nothing = row([false; 4]);
        assert_eq!((nothing.prompt.len(), nothing.counted().count()), (4, 0));
        assert_eq!(Example::masked(Vec::new(), &[]), Example::default());
    }
}
