use benchmarks::TaskScore;

/// Share of the reference's letters that the answer begins with, in percent.
#[derive(Debug)]
pub struct Beginning;

impl TaskScore for Beginning {
    fn name(&self) -> &'static str {
        "beginning"
    }
    fn help(&self) -> &'static str {
        "How much of the expected answer the answer begins with"
    }
    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        let pairs = answer.chars().zip(reference.chars());
        let same = pairs.take_while(|(a, b)| a == b).count();
        100.0 * same as f64 / reference.chars().count() as f64
    }
}
