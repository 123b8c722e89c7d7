//! Arguments of `osft merge`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `merge`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft finetune --model base --data rows.jsonl --method lora --format adapter --out small
  osft merge --adapter small --out whole
  osft merge --adapter from-the-hub --model base --out whole --dtype bf16")]
pub struct MergeArgs {
    /// Folder of a LoRA adapter in PEFT's layout: adapter_config.json and adapter_model.safetensors.
    #[arg(long, value_name = "DIR")]
    pub adapter: PathBuf,
    /// The model that the adapter changes: a Hugging Face folder, a GGUF file, or a name on the hub [default: the folder that
    /// the adapter names].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Folder of the merged model; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Precision of the written weights: auto (that of the model), f32, bf16 or f16.
    #[arg(long, default_value = "auto")]
    pub dtype: String,
}
