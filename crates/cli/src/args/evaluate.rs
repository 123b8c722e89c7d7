//! Arguments of `osft evaluate`.

use std::path::PathBuf;

use clap::Args;
use general::{Protocol, Suites};
use runs::Backend;

/// Arguments of `evaluate`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub struct EvaluateArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub.
    #[arg(long, value_name = "MODEL")]
    pub model: PathBuf,
    /// Suites, separated by commas; or files of your own: .txt with a text per line, whose loss is measured, or .jsonl with
    /// prompt and answer, or prompt, choices and answer.
    #[arg(long, value_delimiter = ',', value_name = "NAME", required = true)]
    pub suite: Vec<String>,
    /// The model before fine-tuning: the change of every score, in pairs of rows.
    #[arg(long, value_name = "MODEL")]
    pub before: Option<PathBuf>,
    /// How prompts are written and scored.
    #[arg(long, value_parser = protocol, default_value = "lm-eval", value_name = "trace|lm-eval")]
    pub protocol: Protocol,
    /// Folder of the suites' rows and examples.
    #[arg(long, value_name = "DIR", default_value = "general")]
    pub data: PathBuf,
    /// Only the first rows of each group, such as a subject of MMLU.
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub limit: Option<u32>,
    /// Longest answer to a row of your own in tokens.
    #[arg(long, value_name = "TOKENS", default_value_t = 256)]
    pub max_new_tokens: usize,
    /// Texts that are computed at the same time.
    #[arg(long, value_name = "ROWS", default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub batch: u32,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
    /// Ask the model even if its score is kept from an earlier call.
    #[arg(long)]
    pub anew: bool,
    /// Also write report.md, scores.json and every answer of --model to this folder; must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

fn protocol(text: &str) -> Result<Protocol, String> {
    text.parse().map_err(|error| format!("{error}"))
}

fn help() -> String {
    let suites = Suites::builtin();
    let line = |kind: &std::sync::Arc<dyn general::SuiteKind>| {
        let protocols: Vec<&str> = kind.protocols().iter().map(|known| known.name()).collect();
        let only = match protocols.len() {
            1 => format!(" (only {})", protocols[0]),
            _ => String::new(),
        };
        format!("  {:<8} {}{only}\n", kind.name(), kind.help())
    };
    let list: String = suites.iter().map(line).collect();
    format!(
        "Suites:\n{list}\nExamples:\n  osft evaluate --model taught --before base --suite loss,mmlu,piqa,boolq --data general\n  \
         osft evaluate --model taught --suite mmlu,bbh --protocol trace --limit 5 --out scores\n  \
         osft evaluate --model taught --before base --suite notes.txt,questions.jsonl\n\n\
         Rows and examples of the suites are not part of the program: the folder of --data holds them, as the \
         documentation of the files says (docs/evaluate.md)."
    )
}
