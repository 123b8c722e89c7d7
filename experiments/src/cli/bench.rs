//! Arguments of `bench` and `scaling`.

use std::path::PathBuf;

use clap::Args;
use lm::MixedPrecision;
use measure::bench::{Activations, BenchSettings, Peer, Shape, TimedPart};
use runs::Backend;

/// Arguments of `bench`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  experiments bench --shape llama-s
  experiments bench --shape llama-m --tokens 512,2048 --share 0.5,0.8 --out bench
  experiments bench --shape t5-small --variant plain,core --rounds 11
  experiments bench --shape llama-m --variant core --activations kept,recomputed
  experiments bench --shape llama-m --variant core --base-precision full,bf16
  experiments bench --shape llama-m --variant core --mixed-precision none,bf16 --backend cuda
  experiments bench --shape llama-256x2,llama-512x2,llama-1024x2 --variant core --out widths
  experiments bench --shape llama-s --variant core,o-lora --tasks 1,8 --out tasks
  experiments bench --shape llama-m --variant plain --threads 1,2
  experiments bench --shape llama-m --gemm --peer \"torch=python3 results/bench/peers.py gemm\"
  experiments bench --shape llama-m --generate --peer \"transformers=python3 results/bench/peers.py generate\"
  experiments bench --shape llama-m --variant core --peer \"torch=python3 results/bench/peers.py full\"")]
pub struct BenchArgs {
    /// Shapes of models, separated by commas: llama-s (5 million parameters), llama-m (that of
    /// SmolLM2-135M), llama-1b (that of TinyLlama-1.1B), llama-7b-block (one block of LLaMA-2-7B), t5-small, or
    /// llama-WIDTHxBLOCKS with a vocabulary of 1024.
    #[arg(long, value_delimiter = ',', default_value = "llama-s")]
    pub shape: Vec<Shape>,
    /// Tokens of a training step, rounded up to whole rows of 128.
    #[arg(long, value_delimiter = ',', default_value = "512", value_parser = clap::value_parser!(u32).range(128..))]
    pub tokens: Vec<u32>,
    /// What is timed, separated by commas; `plain`, which trains the same tensors as OSFT does, is what
    /// everything is compared with and always among them.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "seqft,plain,core,weight,factored,lora"
    )]
    pub variant: Vec<String>,
    /// Tasks of a sequence, a step each but for the last, which is the one that is timed.
    #[arg(long, value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub tasks: Vec<u32>,
    /// Protected shares of the OSFT variants, each from 0 to 1.
    #[arg(long, value_delimiter = ',', default_value = "0.5,0.8")]
    pub share: Vec<f64>,
    /// Precisions in which the weights of OSFT's core form are held, separated by commas.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "full",
        value_parser = ["full", "bf16"]
    )]
    pub base_precision: Vec<String>,
    /// Take splits from this folder, and keep them there: a second call with the same folder shows what
    /// finding one takes.
    #[arg(long, value_name = "DIR")]
    pub split_cache: Option<PathBuf>,
    /// What is done with activations between the forward and the backward pass, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "kept")]
    pub activations: Vec<Activations>,
    /// Types of matrix products in training, separated by commas: bf16, or none for that of the weights;
    /// each is compared with `plain` in the same one. The column of forward passes is in the type of the weights.
    #[arg(long, value_delimiter = ',', default_value = "none")]
    pub mixed_precision: Vec<MixedPrecision>,
    /// Numbers of threads, separated by commas; each is compared with `plain` on as many [default: one for
    /// every core].
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub threads: Vec<u32>,
    /// Time the matrix products of a step one by one in place of whole steps: GFLOP/s by shape. A peer is then
    /// started for products, as with `results/bench/peers.py gemm`.
    #[arg(long, conflicts_with_all = ["variant", "tasks", "base_precision", "split_cache", "activations", "mixed_precision", "threads"])]
    pub gemm: bool,
    /// Time answers that the model generates in place of training steps. A peer is then started for answers, as with
    /// `results/bench/peers.py generate`.
    #[arg(long, conflicts_with_all = ["gemm", "tokens", "share", "variant", "tasks", "base_precision", "split_cache", "activations", "mixed_precision", "threads"])]
    pub generate: bool,
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

impl BenchArgs {
    /// What to time.
    pub fn settings(&self) -> BenchSettings {
        BenchSettings {
            shapes: self.shape.clone(),
            tokens: self.tokens.iter().map(|&tokens| tokens as usize).collect(),
            variants: self.variant.clone(),
            tasks: self.tasks.clone(),
            shares: self.share.clone(),
            base_precisions: self.base_precision.clone(),
            split_cache: self.split_cache.clone(),
            activations: self.activations.clone(),
            mixed_precisions: self.mixed_precision.clone(),
            threads: self.threads.iter().map(|&count| count as usize).collect(),
            timed: match (self.gemm, self.generate) {
                (true, _) => TimedPart::Products,
                (_, true) => TimedPart::Answers,
                _ => TimedPart::Steps,
            },
            rounds: self.rounds,
            warmup: self.warmup,
            peers: self.peer.clone(),
            backend: self.backend,
            out: self.out.clone(),
        }
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
