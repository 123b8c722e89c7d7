//! Sentences about rows that exceed the length limits of a run.

use lm::Framing;

use super::rows::{Cut, QuestionCut};

impl Cut {
    /// A sentence about truncated rows of some kind; `None` if all rows fit.
    pub fn sentence(&self, kind: &str, max_length: usize) -> Option<String> {
        if self.cut == 0 {
            return None;
        }
        let parts = [
            (self.prompt, "a part of the prompt"),
            (self.answer, "a part of the answer"),
            (self.end, "the token that ends the answer"),
        ];
        let parts = parts.iter().filter(|(rows, _)| *rows > 0);
        let lost: Vec<String> = parts
            .map(|(rows, what)| format!("{rows} {} {what}", verb(*rows, "lose")))
            .collect();
        Some(format!(
            "{} of {} {kind} rows {} not fit into max_length = {max_length} (the longest has {} \
             tokens): {}",
            self.cut,
            self.rows,
            if self.cut == 1 { "does" } else { "do" },
            self.longest,
            lost.join(", ")
        ))
    }
}

impl QuestionCut {
    /// Sentences about truncated questions of some kind; none if all fit. `complete` says whether
    /// the score reads the whole answer.
    pub fn sentences(
        &self,
        kind: &str,
        max_length: usize,
        max_new_tokens: usize,
        complete: bool,
    ) -> Vec<String> {
        let mut sentences = Vec::new();
        if self.prompt > 0 {
            sentences.push(format!(
                "{} of {} {kind} prompts {} a part: the longest has {} tokens (max_length = \
                 {max_length}, max_new_tokens = {max_new_tokens})",
                self.prompt,
                self.questions,
                verb(self.prompt, "lose"),
                self.longest
            ));
        }
        if self.unanswerable > 0 && complete {
            sentences.push(format!(
                "{} of {} {kind} answers cannot be given in full: the longest has {} tokens, \
                 {max_new_tokens} are generated",
                self.unanswerable, self.questions, self.longest_answer
            ));
        }
        sentences
    }
}

/// The maximum number of tokens of an answer, and a sentence if it is lower than the suite's.
///
/// In a decoder-only model, prompt and answer share `max_length`, and the prompt keeps at least
/// half of it. In an encoder-decoder model, each has the limit to itself.
pub fn answer_limit(
    max_new_tokens: usize,
    max_length: usize,
    framing: Framing,
) -> (usize, Option<String>) {
    if framing == Framing::TextToText {
        return (max_new_tokens, None);
    }
    let most = max_length / 2;
    let lowered = (max_new_tokens > most).then(|| {
        format!(
            "answers end after {most} tokens instead of {max_new_tokens} (max_new_tokens): half of \
             max_length = {max_length} is left to the prompt"
        )
    });
    (max_new_tokens.min(most), lowered)
}

/// Inflects a verb for one row or several rows.
fn verb(rows: usize, verb: &str) -> String {
    match rows {
        1 => format!("{verb}s"),
        _ => verb.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_count_the_truncated_rows() {
        let fits = Cut {
            rows: 3,
            longest: 9,
            ..Cut::default()
        };
        assert_eq!(fits.sentence("training", 64), None);
        let one = Cut {
            rows: 3,
            cut: 1,
            prompt: 1,
            longest: 70,
            ..Cut::default()
        };
        assert_eq!(
            one.sentence("training", 64).as_deref(),
            Some(
                "1 of 3 training rows does not fit into max_length = 64 (the longest has 70 tokens): \
                 1 loses a part of the prompt"
            )
        );
        let all = Cut {
            rows: 3,
            cut: 3,
            prompt: 2,
            answer: 2,
            end: 3,
            longest: 90,
        };
        assert_eq!(
            all.sentence("validation", 64).as_deref(),
            Some(
                "3 of 3 validation rows do not fit into max_length = 64 (the longest has 90 tokens): \
                 2 lose a part of the prompt, 2 lose a part of the answer, 3 lose the token that ends \
                 the answer"
            )
        );
    }

    #[test]
    fn an_answer_of_a_decoder_only_model_gets_at_most_half_of_the_length() {
        let limit = |tokens, framing| answer_limit(tokens, 64, framing);
        assert_eq!(limit(32, Framing::Continuation), (32, None));
        let (most, lowered) = limit(60, Framing::Continuation);
        assert_eq!(most, 32);
        assert_eq!(
            lowered.as_deref(),
            Some(
                "answers end after 32 tokens instead of 60 (max_new_tokens): half of max_length = 64 is \
                 left to the prompt"
            )
        );
        assert_eq!(limit(60, Framing::TextToText), (60, None));
    }
}
