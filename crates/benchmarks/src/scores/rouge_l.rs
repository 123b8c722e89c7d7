//! Summary-level ROUGE-L.

use std::collections::HashSet;

use super::text::words;
use super::{Score, TaskScore};

#[derive(Debug)]
struct RougeL;

impl TaskScore for RougeL {
    fn name(&self) -> &'static str {
        "rouge_l"
    }

    fn help(&self) -> &'static str {
        "ROUGE-L, the F score"
    }

    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        // The original passes the expected text as the hypothesis, and the union of longest common
        // subsequences is not symmetric.
        100.0 * rouge_l(reference, answer)
    }
}

impl Score {
    /// ROUGE-L: the F score of longest common subsequences.
    pub fn rouge_l() -> Self {
        Self::new(RougeL)
    }
}

/// F score in `[0, 1]` of the longest common subsequences of words.
///
/// Texts are split into sentences at full stops and into words at white space. For every sentence
/// of `reference`, it finds the words that the sentence shares, in order, with any sentence of
/// `hypothesis`. These words count once over the whole text, and are compared with the *distinct*
/// words of each text. A text without words scores 0.
///
/// # References
///
/// `Rouge().get_scores(hypothesis, reference)` of the PyPI package `rouge` 1.0.1, `rouge-l`, `f`.
pub fn rouge_l(hypothesis: &str, reference: &str) -> f64 {
    let hypothesis = sentences(hypothesis);
    let reference = sentences(reference);
    if hypothesis.is_empty() || reference.is_empty() {
        return 0.0;
    }
    let distinct =
        |sentences: &[Vec<String>]| sentences.iter().flatten().collect::<HashSet<_>>().len() as f64;
    let mut shared = HashSet::new();
    for sentence in &reference {
        for other in &hypothesis {
            shared.extend(common_subsequence(sentence, other));
        }
    }
    let shared = shared.len() as f64;
    let recall = shared / distinct(&reference);
    let precision = shared / distinct(&hypothesis);
    // The small term avoids 0 / 0; it keeps a perfect score below 1.
    2.0 * (precision * recall / (precision + recall + 1e-8))
}

/// Words of every sentence. An empty sentence, as after the last full stop, is dropped; a sentence
/// of only white space has one empty word.
fn sentences(text: &str) -> Vec<Vec<String>> {
    text.split('.')
        .filter(|sentence| !sentence.is_empty())
        .map(|sentence| {
            let words: Vec<String> = words(sentence).map(str::to_string).collect();
            match words.is_empty() {
                true => vec![String::new()],
                false => words,
            }
        })
        .collect()
}

/// A longest common subsequence; if there are several, the one nearest to the end of `x`.
fn common_subsequence<'a>(x: &'a [String], y: &[String]) -> Vec<&'a str> {
    let width = y.len() + 1;
    let mut lengths = vec![0_usize; (x.len() + 1) * width];
    for i in 1..=x.len() {
        for j in 1..=y.len() {
            lengths[i * width + j] = if x[i - 1] == y[j - 1] {
                lengths[(i - 1) * width + j - 1] + 1
            } else {
                lengths[(i - 1) * width + j].max(lengths[i * width + j - 1])
            };
        }
    }
    let (mut i, mut j) = (x.len(), y.len());
    let mut words = Vec::new();
    while i > 0 && j > 0 {
        if x[i - 1] == y[j - 1] {
            words.push(x[i - 1].as_str());
            i -= 1;
            j -= 1;
        } else if lengths[(i - 1) * width + j] > lengths[i * width + j - 1] {
            i -= 1;
        } else {
            j -= 1;
        }
    }
    words
}
