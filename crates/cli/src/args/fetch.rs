//! Arguments of `osft fetch`.

use std::path::PathBuf;

use clap::Args;

/// Arguments of `fetch`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft fetch HuggingFaceTB/SmolLM2-135M-Instruct
  osft fetch --manifest general.toml --out general
A manifest lists files with addresses and hashes:
  [[file]]
  path = \"gsm8k.jsonl\"
  url = \"https://…/test.jsonl\"
  bytes = 749738
  sha256 = \"…\"
  licence = \"MIT\"")]
pub struct FetchArgs {
    /// A model on the hub, ORGANIZATION/NAME or ORGANIZATION/NAME@REVISION; its folder in the shared cache is printed.
    #[arg(value_name = "MODEL", required_unless_present = "manifest")]
    pub model: Option<PathBuf>,
    /// TOML file that lists files with addresses, sizes and SHA-256.
    #[arg(long, value_name = "FILE", conflicts_with = "model", requires = "out")]
    pub manifest: Option<PathBuf>,
    /// Folder for the files of the manifest; those that are there and whole are kept.
    #[arg(long, value_name = "DIR", requires = "manifest")]
    pub out: Option<PathBuf>,
}
