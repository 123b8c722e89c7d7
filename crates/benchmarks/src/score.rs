//! How the answers to a task become one number.

use serde::{Deserialize, Serialize};

use crate::metrics::{fuzzy_ratio, is_white_space, rouge_l, sari, undo_literals, words};

/// A score in `[0, 100]`.
///
/// As in TRACE, an empty answer scores 0 (SARI, which looks at the prompt too, scores it as it
/// is), and the score of a task is the mean over its rows. TRACE's scripts disagree on how much of
/// an answer counts: those for trained models compare all of it, the one for in-context learning
/// cuts at the first line break (numbers) or `<EOL>` (code) so that a model that does not stop is
/// still scored. Here the cut is always made, and white space around an answer is dropped, since
/// some tokenizers cannot write it; ROUGE-L and SARI read the answer as it is.
///
/// # References
///
/// `metrics.py`, `evaluations/` and `inference/ICL.py` of BeyonderXX/TRACE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// The answer's first line, without white space around it, equals the expected one.
    Accuracy,
    /// The answer equals the expected one but for case, ASCII punctuation and white space: the CL
    /// benchmark's score.
    ExactMatch,
    /// The first characters are equal: the letter of a choice that is explained afterwards.
    FirstCharacter,
    /// ROUGE-L, the F score.
    RougeL,
    /// SARI of the answer as a simplification of the prompt.
    Sari,
    /// Edit similarity of the first lines, which also end at `<EOL>`, after undoing the literals of
    /// code.
    FuzzyRatio,
}

impl Score {
    /// Score of one answer.
    pub fn row_score(self, prompt: &str, answer: &str, reference: &str) -> f64 {
        if self != Self::Sari && (answer.is_empty() || reference.is_empty()) {
            return 0.0;
        }
        match self {
            Self::Accuracy => percent(first_line(answer) == first_line(reference)),
            Self::ExactMatch => percent(normalized(answer) == normalized(reference)),
            Self::FirstCharacter => {
                let first = |text: &str| text.trim_start_matches(is_white_space).chars().next();
                percent(first(answer) == first(reference))
            }
            // The original passes the expected text as the hypothesis; the union of longest common
            // subsequences is not symmetric.
            Self::RougeL => 100.0 * rouge_l(reference, answer),
            Self::Sari => sari(prompt, answer, reference),
            Self::FuzzyRatio => {
                let code = |text: &str| undo_literals(first_line(until_end_of_line(text)));
                f64::from(fuzzy_ratio(&code(answer), &code(reference)))
            }
        }
    }

    /// Mean score of all answers; 0 if there is none.
    ///
    /// # Panics
    ///
    /// If the slices differ in length.
    pub fn task_score(self, prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        assert!(
            prompts.len() == answers.len() && answers.len() == references.len(),
            "one answer and one reference per prompt"
        );
        let scores = prompts
            .iter()
            .zip(answers)
            .zip(references)
            .map(|((prompt, answer), reference)| self.row_score(prompt, answer, reference));
        scores.sum::<f64>() / prompts.len().max(1) as f64
    }
}

fn percent(right: bool) -> f64 {
    if right { 100.0 } else { 0.0 }
}

/// As the CL benchmark compares: lower case, no ASCII punctuation, single blanks. Articles stay.
fn normalized(text: &str) -> String {
    let lower = text.to_lowercase();
    let kept: String = lower
        .chars()
        .filter(|character| !character.is_ascii_punctuation())
        .collect();
    words(&kept).collect::<Vec<_>>().join(" ")
}

/// Py150's code is one line of text, in which `<EOL>` stands for a line break.
fn until_end_of_line(code: &str) -> &str {
    code.split("<EOL>").next().unwrap_or(code)
}

fn first_line(text: &str) -> &str {
    let text = text.trim_matches(is_white_space);
    let line = text.lines().next().unwrap_or("");
    line.trim_end_matches(is_white_space)
}
