//! The settings of a timing: shapes of models, handling of activations, peer programs.

use std::fmt::{Display, Formatter};
use std::path::PathBuf;
use std::str::FromStr;

use clap::ValueEnum;
use lm::MixedPrecision;
use runs::Backend;
use serde::{Deserialize, Serialize};

/// The reference for all variants: it trains OSFT's targets and protects nothing.
pub const PLAIN: &str = "plain";

/// The settings of a timing.
#[derive(Clone, Debug)]
pub struct BenchSettings {
    /// Shapes of models.
    pub shapes: Vec<Shape>,
    /// Tokens per step, rounded up to whole rows.
    pub tokens: Vec<usize>,
    /// Names of the variants to time; [`PLAIN`] is always included.
    pub variants: Vec<String>,
    /// Lengths of the sequences; the last task is timed.
    pub tasks: Vec<u32>,
    /// Protected shares to time, each in `[0, 1]`, for the variants that have a share.
    pub shares: Vec<f64>,
    /// Precisions of the frozen weights to time, for the variants that have a choice.
    pub base_precisions: Vec<String>,
    /// Folder where methods cache results that they can compute again.
    pub split_cache: Option<PathBuf>,
    /// How activations are handled between the forward and the backward pass.
    pub activations: Vec<Activations>,
    /// Types of activations and matrix products.
    pub mixed_precisions: Vec<MixedPrecision>,
    /// Numbers of threads to time; all cores if empty.
    pub threads: Vec<usize>,
    /// What is timed.
    pub timed: TimedPart,
    /// Number of timed rounds.
    pub rounds: u32,
    /// Number of rounds before the timed ones.
    pub warmup: u32,
    /// Peer programs.
    pub peers: Vec<Peer>,
    /// Compute backend.
    pub backend: Backend,
    /// Folder of the report.
    pub out: Option<PathBuf>,
}

/// What is timed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimedPart {
    /// Training steps.
    #[default]
    Steps,
    /// The matrix products of a training step, one by one.
    Products,
    /// Answers that the model generates.
    Answers,
}

/// A shape of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Shape {
    /// A LLaMA of 5 million parameters: width 256, 4 blocks, vocabulary of 4096.
    LlamaS,
    /// The shape of SmolLM2-135M: width 576, 30 blocks, vocabulary of 49152.
    LlamaM,
    /// The shape of TinyLlama-1.1B: width 2048, 22 blocks, vocabulary of 32000.
    Llama1b,
    /// One block of LLaMA-2-7B (width 4096, inner width 11008, heads of width 128) and a vocabulary of 1024, so that
    /// the block dominates: what a layer of such a model takes, without the memory of 32 of them.
    Llama7bBlock,
    /// The shape of T5-small: width 512, 6 + 6 blocks, vocabulary of 32128.
    T5Small,
    /// A LLaMA with its usual proportions (inner width 8/3 of the width, heads of width 64) and a
    /// vocabulary of 1024, so that the blocks dominate.
    Llama {
        /// Width of the hidden states, a multiple of 64.
        width: usize,
        /// Number of blocks.
        blocks: usize,
    },
}

/// Largest width of a shape: twice that of the widest models that were published.
const MOST_WIDTH: usize = 32_768;
/// Most blocks of a shape.
const MOST_BLOCKS: usize = 1024;

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let sized = || {
            let (width, blocks) = text.strip_prefix("llama-")?.split_once('x')?;
            let (width, blocks) = (width.parse().ok()?, blocks.parse().ok()?);
            let fits = (64..=MOST_WIDTH).contains(&width) && (1..=MOST_BLOCKS).contains(&blocks);
            (fits && width % 64 == 0).then_some(Self::Llama { width, blocks })
        };
        match text {
            "llama-s" => Ok(Self::LlamaS),
            "llama-m" => Ok(Self::LlamaM),
            "llama-1b" => Ok(Self::Llama1b),
            "llama-7b-block" => Ok(Self::Llama7bBlock),
            "t5-small" => Ok(Self::T5Small),
            _ => sized().ok_or_else(|| {
                format!(
                    "expected llama-s, llama-m, llama-1b, llama-7b-block, t5-small or llama-WIDTHxBLOCKS with a \
                     width that is a multiple of 64 up to {MOST_WIDTH} and up to {MOST_BLOCKS} blocks, found {text:?}"
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
            Self::Llama1b => f.write_str("llama-1b"),
            Self::Llama7bBlock => f.write_str("llama-7b-block"),
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

/// A peer program, which is timed beside the variants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Name in reports.
    pub name: String,
    /// The program and its first arguments.
    pub command: Vec<String>,
}

impl Peer {
    /// Parses `NAME=COMMAND`.
    ///
    /// # Errors
    ///
    /// A description of the expected form.
    pub fn parse(text: &str) -> Result<Self, String> {
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
