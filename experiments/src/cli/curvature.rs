//! Arguments of `curvature`.

use std::path::PathBuf;

use clap::Args;
use runs::Backend;

/// Arguments of `curvature`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments curvature --layer 'layers\\.1\\.' --out curvature
  experiments curvature --model SmolLM2-135M --layer 'layers\\.15\\.mlp\\.down_proj' --rows 8 --directions 24 --outputs 1
The same command with the same --out goes on with the next layer after it was stopped.")]
pub struct CurvatureArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub [default: the built-in one].
    #[arg(long, value_name = "DIR")]
    pub model: Option<PathBuf>,
    /// Text file that stands for what the model knows, one text per line [default: text that it generates itself].
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Rows that the loss is measured on.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    pub rows: u32,
    /// Longest row in tokens.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(2..))]
    pub tokens: u32,
    /// Weights, as regular expressions over their paths; may be repeated [default: the projections of attention and
    /// feed-forward].
    #[arg(long, value_name = "PATTERN")]
    pub layer: Vec<String>,
    /// Directions of every set at most, at distances that grow from the largest value to the smallest.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(3..))]
    pub directions: u32,
    /// Random output directions that every input direction is joined with.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub outputs: u32,
    /// Seed of the output directions and of the intervals.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
    /// Also write report.md, its picture and the points of every layer to this folder; must be empty, not exist, or hold
    /// the same measurement.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
