//! Arguments of `bench`.

use std::fmt::{Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::backend::Backend;
use crate::variant::PrecisionName;

/// A shape of models that is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Shape {
    /// A LLaMA of 5 million parameters: width 256, 4 blocks, vocabulary of 4096.
    LlamaS,
    /// The shape of SmolLM2-135M: width 576, 30 blocks, vocabulary of 49152.
    LlamaM,
    /// The shape of T5-small: width 512, 6 + 6 blocks, vocabulary of 32128.
    T5Small,
    /// LLaMA's proportions (inner width 8/3 of the width, heads of 64) with a vocabulary of 1024: next to
    /// nothing but blocks.
    Llama {
        /// Width of the hidden states, a multiple of 64.
        width: usize,
        /// Number of blocks.
        blocks: usize,
    },
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sized = || {
            let (width, blocks) = text.strip_prefix("llama-")?.split_once('x')?;
            let (width, blocks) = (width.parse().ok()?, blocks.parse().ok()?);
            (width > 0 && width % 64 == 0 && blocks > 0).then_some(Self::Llama { width, blocks })
        };
        match text {
            "llama-s" => Ok(Self::LlamaS),
            "llama-m" => Ok(Self::LlamaM),
            "t5-small" => Ok(Self::T5Small),
            _ => sized().ok_or_else(|| {
                format!(
                    "expected llama-s, llama-m, t5-small or llama-WIDTHxBLOCKS with a width that is a \
                     multiple of 64, found {text:?}"
                )
            }),
        }
    }
}

impl Display for Shape {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LlamaS => f.write_str("llama-s"),
            Self::LlamaM => f.write_str("llama-m"),
            Self::T5Small => f.write_str("t5-small"),
            Self::Llama { width, blocks } => write!(f, "llama-{width}x{blocks}"),
        }
    }
}

impl TryFrom<String> for Shape {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Shape> for String {
    fn from(shape: Shape) -> Self {
        shape.to_string()
    }
}

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments bench --shape llama-s
  experiments bench --shape llama-m --tokens 512,2048 --share 0.5,0.8 --out bench
  experiments bench --shape t5-small --variant plain,core --rounds 11
  experiments bench --shape llama-m --variant core --activations kept,recomputed
  experiments bench --shape llama-m --variant core --base-precision full,bf16
  experiments bench --shape llama-256x2,llama-512x2,llama-1024x2 --variant core --out widths
  experiments bench --shape llama-s --variant core,o-lora --tasks 1,8 --out tasks
  experiments bench --shape llama-m --variant core --peer \"torch=python3 results/bench/peers.py full\"")]
pub struct BenchArgs {
    /// Shapes of models, separated by commas: llama-s (5 million parameters), llama-m (that of
    /// SmolLM2-135M), t5-small, or llama-WIDTHxBLOCKS with a vocabulary of 1024.
    #[arg(long, value_delimiter = ',', default_value = "llama-s")]
    pub shape: Vec<Shape>,
    /// Tokens of a training step, rounded up to whole rows of 128.
    #[arg(long, value_delimiter = ',', default_value = "512", value_parser = clap::value_parser!(u32).range(128..))]
    pub tokens: Vec<u32>,
    /// What is timed, separated by commas; `plain`, which trains the same tensors as OSFT does, is what
    /// everything is compared with and always among them.
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "seqft,plain,core,weight,factored,lora"
    )]
    pub variant: Vec<VariantName>,
    /// Tasks of a sequence, a step each but for the last, which is the one that is timed.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub tasks: Vec<u32>,
    /// Protected shares of the OSFT variants, each from 0 to 1.
    #[arg(long, value_delimiter = ',', default_value = "0.5,0.8")]
    pub share: Vec<f64>,
    /// Precisions in which the weights of OSFT's core form are held, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "full")]
    pub base_precision: Vec<PrecisionName>,
    /// Take splits from this folder, and keep them there: a second call with the same folder shows what
    /// finding one takes.
    #[arg(long, value_name = "DIR")]
    pub split_cache: Option<PathBuf>,
    /// What is done with activations between the forward and the backward pass, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kept")]
    pub activations: Vec<Activations>,
    /// Timed rounds; in each every variant does one step.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    pub rounds: u32,
    /// Rounds before those, not timed.
    #[arg(long, default_value_t = 2)]
    pub warmup: u32,
    /// A program that takes its turns beside the variants, as NAME=COMMAND; may be repeated. It is started
    /// with --worker and what to time as JSON, and answers lines on its input as results/bench/peers.py does.
    #[arg(long, value_name = "NAME=COMMAND", value_parser = Peer::parse)]
    pub peer: Vec<Peer>,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
    /// Also write report.md and bench.json to this folder; must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Of a process that this command starts: what to time, as JSON.
    #[arg(long, hide = true, value_name = "JSON")]
    pub worker: Option<String>,
}

impl VariantName {
    /// Whether it splits the weights.
    pub fn splits(self) -> bool {
        matches!(self, Self::Core | Self::Weight | Self::Factored)
    }
}

/// Arguments of `scaling`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  experiments bench --shape llama-256x2,llama-512x2,llama-1024x2 --variant core --out widths
  experiments scaling widths --out scaling")]
pub struct ScalingArgs {
    /// Folders that `bench --out` wrote; what is compared was measured in one of them.
    #[arg(value_name = "BENCH", required = true)]
    pub benches: Vec<PathBuf>,
    /// Also write report.md and its pictures to this folder; must be empty or not exist.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// A program of others that is timed beside the variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Name in reports.
    pub name: String,
    /// The program and its first arguments.
    pub command: Vec<String>,
}

impl Peer {
    fn parse(text: &str) -> Result<Self, String> {
        let expected = || format!("expected NAME=COMMAND, found {text:?}");
        let (name, command) = text.split_once('=').ok_or_else(expected)?;
        let command: Vec<String> = command.split_whitespace().map(str::to_string).collect();
        if name.is_empty() || command.is_empty() {
            return Err(expected());
        }
        Ok(Self {
            name: name.to_string(),
            command,
        })
    }
}

/// What is done with activations between the forward and the backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activations {
    /// They are kept.
    Kept,
    /// Only what goes into each block is kept, the rest is computed again.
    Recomputed,
}

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VariantName {
    /// Plain fine-tuning of all parameters.
    Seqft,
    /// Plain fine-tuning of the tensors that OSFT trains, everything else frozen.
    Plain,
    /// OSFT by the singular values of the weights, in core coordinates.
    Core,
    /// OSFT by the paper's equation 4.
    Weight,
    /// OSFT by the paper's algorithm.
    Factored,
    /// Low-rank adapters of rank 8 on the same tensors.
    Lora,
    /// The same, orthogonal to those of the tasks before: O-LoRA.
    OLora,
    /// A program of others.
    #[value(skip)]
    Peer,
}
