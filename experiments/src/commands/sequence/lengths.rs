//! What of the rows does not fit into the lengths of a run, in words.

use super::rows::{Cut, QuestionCut};

impl Cut {
    /// A sentence about rows of some kind; `None` where all fit.
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
            .map(|(rows, what)| format!("{rows} lose {what}"))
            .collect();
        Some(format!(
            "{} of {} {kind} rows do not fit into max_length = {max_length} (the longest has {} \
             tokens): {}",
            self.cut,
            self.rows,
            self.longest,
            lost.join(", ")
        ))
    }
}

impl QuestionCut {
    /// Sentences about questions of some kind; none where all fit. `complete` says whether the whole
    /// answer counts for the score.
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
                "{} of {} {kind} prompts lose a part: the longest has {} tokens (max_length = \
                 {max_length}, max_new_tokens = {max_new_tokens})",
                self.prompt, self.questions, self.longest
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

/// Tokens that an answer may have, and a sentence where `max_length` allows fewer than the suite
/// asks for: at least half of it is left to the prompt.
pub fn answer_limit(max_new_tokens: usize, max_length: usize) -> (usize, Option<String>) {
    let most = max_length / 2;
    let lowered = (max_new_tokens > most).then(|| {
        format!(
            "answers end after {most} tokens instead of {max_new_tokens} (max_new_tokens): half of \
             max_length = {max_length} is left to the prompt"
        )
    });
    (max_new_tokens.min(most), lowered)
}
