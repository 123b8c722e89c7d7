//! Arguments of `osft finetune` and `osft check`.

use std::path::PathBuf;

use clap::Args;
use runs::Backend;

/// The rows, and the model that is to read them.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft check --model SmolLM2-135M-Instruct --data rows.jsonl
  osft check --model SmolLM2-135M-Instruct --data rows.jsonl --data more.jsonl.gz:0.5 --valid held-out.jsonl")]
pub struct RowsArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// File of rows: JSONL or a JSON list, also compressed by gzip, with messages, prompt and completion, prompt and
    /// answer, instruction and output, text, or input_ids. FILE:2 uses every row twice, FILE:0.5 every second one. May be
    /// repeated.
    #[arg(long, value_name = "FILE[:WEIGHT]", required = true)]
    pub data: Vec<String>,
    /// Rows that are not learned from but measured before and after: a file, or the share of the rows to hold out, or
    /// `none` [default: 0.05].
    #[arg(long, value_name = "FILE|SHARE")]
    pub valid: Option<String>,
    /// Longest row in tokens; what is cut is counted and said [default: 1024, or as many as the model was made
    /// for].
    #[arg(long, value_name = "TOKENS")]
    pub max_length: Option<usize>,
}

/// Arguments of `finetune`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft finetune --model SmolLM2-135M-Instruct --data rows.jsonl --out taught
  osft finetune --model taught --data other.jsonl --out taught-more
  osft finetune --model SmolLM2-135M-Instruct --data rows.jsonl --out taught --unfreeze-ratio 0.25 --text wiki.txt
  osft finetune --model SmolLM2-135M-Instruct --data rows.jsonl --out taught --resume")]
pub struct FinetuneArgs {
    /// The rows and the model.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// How it learns, and what is written.
    #[command(flatten)]
    pub learning: LearningArgs,
    /// Folder of the trained model; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Go on with the run to this --out, which was stopped.
    #[arg(long)]
    pub resume: bool,
    /// Draw losses and progress on the terminal; q and then s stops the run once it is saved.
    #[arg(long)]
    pub tui: bool,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft plan --model SmolLM2-135M-Instruct --data rows.jsonl
  osft plan --model Llama-2-7b-chat-hf --data rows.jsonl --unfreeze-ratio 0.2 --no-probe")]
pub struct PlanArgs {
    /// The rows and the model.
    #[command(flatten)]
    pub rows: RowsArgs,
    /// How it would learn.
    #[command(flatten)]
    pub learning: LearningArgs,
    /// Count memory and disk alone: load no weights, and time nothing.
    #[arg(long)]
    pub no_probe: bool,
}

/// How a model learns its rows, and what is written.
#[derive(Debug, Args)]
pub struct LearningArgs {
    /// Name of the task [default: that of the file].
    #[arg(long)]
    pub task: Option<String>,
    /// How the model learns: osft, osft-paper, seqft, lora, replay, ewc or any other method that learns one task after
    /// another (docs/compared-methods.md) [default: osft].
    #[arg(long)]
    pub method: Option<String>,
    /// Share of the directions of every layer that may train, from 0 to 1; for osft, osft-lwf and osft-paper [default:
    /// that of the settings; for osft as many as hold the last 5 % of the inputs' energy].
    #[arg(long, value_name = "SHARE", conflicts_with = "energy")]
    pub unfreeze_ratio: Option<f64>,
    /// Protect the fewest directions that together hold this share, from 0 to 1, of the energy of a layer's inputs [default: that
    /// of the settings; for osft 0.95, or 0.9 without its bound].
    #[arg(long, value_name = "SHARE")]
    pub energy: Option<f64>,
    /// Peak learning rate [default: by method and size of the model].
    #[arg(long, value_name = "RATE", allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// Epochs [default: 3].
    #[arg(long)]
    pub epochs: Option<usize>,
    /// Rows per optimizer step [default: 16].
    #[arg(long, value_name = "ROWS")]
    pub effective_batch: Option<usize>,
    /// Tokens per forward and backward pass, padding included; a step gathers the gradients of its passes [default:
    /// 2048].
    #[arg(long, value_name = "TOKENS")]
    pub max_tokens: Option<usize>,
    /// Seed of the order of the rows [default: 0].
    #[arg(long, value_parser = runs::settings::seed_parser())]
    pub seed: Option<u64>,
    /// Precision of the written weights: auto (that of the model), f32, bf16 or f16 [default: auto].
    #[arg(long)]
    pub dtype: Option<String>,
    /// What is written: model, or adapter for the change alone in PEFT's layout (with --method lora, lora-decay, milora,
    /// pissa or seq-svd) [default: model].
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<String>,
    /// Suites of general ability to measure before and after, separated by commas: mmlu, piqa, boolq, loss, gsm8k, bbh,
    /// tydiqa; auto for those that need no generated text; or files of your own, .txt or .jsonl. How: `suites.protocol`,
    /// `suites.limit` by --set.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub general: Vec<String>,
    /// Folder of the suites' rows and examples [default: general].
    #[arg(long, value_name = "DIR", requires = "general")]
    pub general_data: Option<PathBuf>,
    /// Text file whose loss is measured before and after, one paragraph per line; may be repeated.
    #[arg(long, value_name = "FILE")]
    pub text: Vec<PathBuf>,
    /// Held-out prompts that are answered before and after [default: 32].
    #[arg(long, value_name = "ROWS")]
    pub questions: Option<usize>,
    /// Longest generated answer in tokens [default: 128].
    #[arg(long, value_name = "TOKENS")]
    pub max_new_tokens: Option<usize>,
    /// Compare only what follows this text in an answer: rows may reason before they give a result.
    #[arg(long, value_name = "TEXT")]
    pub answer_after: Option<String>,
    /// Text file that stands for what the model knows, one text per line [default: text that it generates].
    #[arg(long, value_name = "FILE")]
    pub calibration_text: Option<PathBuf>,
    /// Also save the run every so many steps; it is saved every five minutes anyway.
    #[arg(long, value_name = "STEPS")]
    pub save_every: Option<usize>,
    /// Number of saved states that are kept; --resume goes on from the latest [default: 1].
    #[arg(long, value_name = "COUNT")]
    pub keep: Option<usize>,
    /// Pad rows to one length instead of packing them one after the other. No row sees another either way.
    #[arg(long)]
    pub no_packing: bool,
    /// Where to compute [default: flex].
    #[arg(long, value_enum)]
    pub backend: Option<Backend>,
    /// TOML file with settings, as a run leaves it in osft/config.toml.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// One setting, over the file, for instance `train.schedule=\"linear\"`; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}
