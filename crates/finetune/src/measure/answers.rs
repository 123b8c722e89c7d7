//! Answers to held-out questions.

use continual::Scorer;

/// Share of the answers whose result equals that of the reference, in percent.
pub struct ExactResult {
    /// Text after which the result of an answer stands; the whole answer counts if empty.
    pub answer_after: String,
}

impl Scorer for ExactResult {
    fn score(&self, _prompts: &[&str], answers: &[&str], references: &[&str]) -> f64 {
        let result = |text| result_of(text, &self.answer_after);
        let pairs = answers.iter().zip(references);
        let exact = pairs.filter(|(answer, reference)| result(answer) == result(reference));
        100.0 * exact.count() as f64 / answers.len().max(1) as f64
    }
}

/// The part of an answer that counts: what follows the last marker, or all of it without a marker.
fn result_of<'a>(answer: &'a str, answer_after: &str) -> &'a str {
    let result = match answer_after {
        "" => answer,
        marker => answer.rsplit(marker).next().unwrap_or(answer),
    };
    result.trim()
}

#[cfg(test)]
mod tests {
    use super::result_of;

    #[test]
    fn a_result_stands_after_the_last_marker() {
        assert_eq!(result_of(" 3 + 4 = 7 #### 7\n", "####"), "7");
        assert_eq!(result_of("a #### b #### c", "####"), "c");
        assert_eq!(result_of(" seven ", "####"), "seven");
        assert_eq!(result_of(" seven ", ""), "seven");
    }
}
