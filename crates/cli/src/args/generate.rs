//! Arguments of `osft generate` and `osft chat`.

use std::path::PathBuf;

use clap::Args;
use lm::Decoding;
use runs::Backend;

/// How the next token is chosen.
#[derive(Debug, Args)]
pub struct SamplingArgs {
    /// Longest answer in tokens.
    #[arg(long, value_name = "TOKENS", default_value_t = 256)]
    pub max_new_tokens: usize,
    /// Softmax temperature; 0 always takes the likeliest token.
    #[arg(long, default_value_t = 0.0)]
    pub temperature: f64,
    /// Sample among the likeliest tokens whose probabilities sum to this.
    #[arg(
        long,
        value_name = "SHARE",
        default_value_t = 1.0,
        requires = "temperature"
    )]
    pub top_p: f64,
    /// Seed of the samples.
    #[arg(long, default_value_t = 0, requires = "temperature")]
    pub seed: u64,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
}

impl SamplingArgs {
    /// The settings for generation.
    ///
    /// # Errors
    ///
    /// If a number is out of its range.
    pub fn decoding(&self) -> anyhow::Result<Decoding> {
        anyhow::ensure!(
            self.temperature >= 0.0 && self.temperature.is_finite(),
            "--temperature {}: expected 0 (greedy) or above",
            self.temperature
        );
        anyhow::ensure!(
            self.top_p > 0.0 && self.top_p <= 1.0,
            "--top-p {}: expected a share above 0 and at most 1",
            self.top_p
        );
        anyhow::ensure!(
            self.max_new_tokens > 0,
            "--max-new-tokens must be at least 1"
        );
        Ok(match self.temperature {
            0.0 => Decoding::Greedy,
            temperature => Decoding::Sample {
                temperature,
                top_k: 0,
                top_p: self.top_p,
                seed: self.seed,
            },
        })
    }
}

/// Arguments of `generate`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft generate --model taught --prompt 'When does the ferry leave?'
  osft generate --model taught --data rows.jsonl > answers.jsonl
  osft generate --model base --raw --prompt 'Once upon a time'")]
pub struct GenerateArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// The prompt: what the user says, where the model has a chat template.
    #[arg(long, value_name = "TEXT", required_unless_present = "data")]
    pub prompt: Option<String>,
    /// File of rows whose prompts are answered, one line of JSON for each: prompt, answer, expected (null where
    /// a row has none). A prompt is continued as it is, messages and instructions go through the chat template.
    #[arg(long, value_name = "FILE", conflicts_with = "prompt")]
    pub data: Option<String>,
    /// Continue the prompt as it is, without the chat template.
    #[arg(long, conflicts_with = "data")]
    pub raw: bool,
    /// How the next token is chosen.
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

/// Arguments of `chat`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft chat --model taught
  osft chat --model taught --system 'Answer in one sentence.' --temperature 0.7")]
pub struct ChatArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// What the system says before the first turn.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// How the next token is chosen.
    #[command(flatten)]
    pub sampling: SamplingArgs,
}
