//! Questions in batches of similar length, with the tokens that their prompts begin with apart.

use crate::protocol::Question;

/// Questions that are asked together.
pub(super) struct Batch {
    /// Their indices.
    pub questions: Vec<usize>,
    /// Tokens that all prompts begin with; none if they are not worth reading apart.
    pub prefix: Vec<u32>,
    /// The rest of every prompt, of at least one token unless the prompt has none.
    pub rest: Vec<Vec<u32>>,
}

/// Batches of at most `size` questions, the shorter prompts first.
pub(super) fn batches(questions: &[Question], size: usize) -> Vec<Batch> {
    let mut order: Vec<usize> = (0..questions.len()).collect();
    order.sort_by_key(|&index| questions[index].tokens.len());
    let batch = |indices: &[usize]| {
        let prompts: Vec<Vec<u32>> = indices
            .iter()
            .map(|&index| questions[index].tokens.clone())
            .collect();
        let shared = shared_beginning(&prompts);
        Batch {
            questions: indices.to_vec(),
            prefix: prompts[0][..shared].to_vec(),
            rest: prompts.iter().map(|row| row[shared..].to_vec()).collect(),
        }
    };
    order.chunks(size.max(1)).map(batch).collect()
}

/// The fewest tokens for which a beginning is read apart.
const WORTH_SHARING: usize = 32;

/// Number of tokens that all prompts begin with, such as an instruction, of which each prompt has more; 0 if there are too
/// few of them to be worth reading once.
fn shared_beginning(prompts: &[Vec<u32>]) -> usize {
    let [first, others @ ..] = prompts else {
        return 0;
    };
    let alike = |other: &Vec<u32>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    let longest = prompts.iter().map(|row| row.len().saturating_sub(1)).min();
    let shared = others.iter().map(alike).chain(longest).min().unwrap_or(0);
    match others.is_empty() || shared < WORTH_SHARING {
        true => 0,
        false => shared,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_beginning_that_every_prompt_goes_on_from_is_shared() {
        let begin: Vec<u32> = (0..40).collect();
        let row = |shared: usize, own: &[u32]| [&begin[..shared], own].concat();
        assert_eq!(shared_beginning(&[row(40, &[7]), row(40, &[8, 9])]), 40);
        assert_eq!(shared_beginning(&[row(36, &[99]), row(40, &[8])]), 36);
        // A prompt keeps a token of its own.
        assert_eq!(shared_beginning(&[row(40, &[]), row(40, &[8])]), 39);
        assert_eq!(shared_beginning(&[row(20, &[7]), row(20, &[8])]), 0);
        assert_eq!(shared_beginning(&[row(40, &[7])]), 0);
        assert_eq!(shared_beginning(&[row(40, &[7]), Vec::new()]), 0);
        assert_eq!(shared_beginning(&[]), 0);
    }
}
