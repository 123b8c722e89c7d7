use benchmarks::{Benchmark, Format, Score, Suite, TaskSpec};

/// Names of colours in two languages, in folders `english` and `german` of TRACE's layout.
#[derive(Debug)]
pub struct Colours;

impl Benchmark for Colours {
    fn command(&self) -> &'static str {
        "colours"
    }
    fn help(&self) -> &'static str {
        "Learn the names of colours, language by language"
    }
    fn suite(&self) -> Suite {
        let task = |name: &str| TaskSpec {
            name: name.to_string(),
            score: Score::accuracy(),
            max_new_tokens: 4,
            epochs: 2,
            labels: Vec::new(),
            folder: None,
            format: Format::Prompts,
        };
        Suite {
            name: "Colours".to_string(),
            tasks: vec![task("english"), task("german")],
            orders: vec![vec!["english".to_string(), "german".to_string()]],
            general: None,
        }
    }
}
