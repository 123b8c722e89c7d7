//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::backend::Backend;

/// Continual learning of language models: learn tasks in sequence, measure what is forgotten.
///
/// `experiments trace` with no further argument teaches a small built-in model eight small tasks,
/// once by plain fine-tuning and once by OSFT, and shows what each method kept.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Pre-train a small base model on the built-in general mixture.
    Pretrain(PretrainArgs),
}

/// Arguments of `pretrain`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  experiments pretrain --out my-base --documents 20000")]
pub struct PretrainArgs {
    /// Folder to write the model to, in Hugging Face layout; must not exist.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Documents of the mixture to train on, each seen once.
    #[arg(long, default_value_t = 400_000)]
    pub documents: usize,
    /// Seed of the mixture, the initial weights and the order of documents.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Peak learning rate.
    #[arg(long, default_value_t = 3e-3)]
    pub learning_rate: f64,
    /// Documents per step.
    #[arg(long, default_value_t = 64)]
    pub batch: usize,
    /// Tokens of the vocabulary.
    #[arg(long, default_value_t = 2048)]
    pub vocabulary: usize,
    /// Width of the hidden states.
    #[arg(long, default_value_t = 128)]
    pub hidden: usize,
    /// Number of blocks.
    #[arg(long, default_value_t = 4)]
    pub layers: usize,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
}
