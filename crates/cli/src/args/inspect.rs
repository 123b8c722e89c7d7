//! Arguments of `osft inspect`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use osft::ShareRule;
use runs::Backend;
use toml::{Table, Value};

/// Arguments of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  osft inspect --model SmolLM2-135M-Instruct --energy 0.97
  osft inspect --model taught --unfreeze-ratio 0.25 --text wiki.txt --no-probe --out looked-into")]
pub struct InspectArgs {
    /// The model: a Hugging Face folder, a GGUF file, or a name on the hub.
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
    /// Text that the model is run on, one per line [default: text that it generates].
    #[arg(long, value_name = "FILE")]
    pub text: Option<PathBuf>,
    /// Number of texts.
    #[arg(long, default_value_t = 128)]
    pub rows: usize,
    /// Longest text in tokens.
    #[arg(long, default_value_t = 128)]
    pub tokens: usize,
    /// Share of the directions of every layer that may train, from 0 to 1.
    #[arg(long, value_name = "SHARE", conflicts_with = "energy")]
    pub unfreeze_ratio: Option<f64>,
    /// Protect the fewest directions that together hold this share, from 0 to 1, of the energy of a layer's inputs [default: 0.95,
    /// that of `osft finetune`].
    #[arg(long, value_name = "SHARE")]
    pub energy: Option<f64>,
    /// Do not measure what the model loses without its free directions.
    #[arg(long)]
    pub no_probe: bool,
    /// Where to compute.
    #[arg(long, value_enum, default_value = "flex")]
    pub backend: Backend,
    /// Folder for the report.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// The rule of `--unfreeze-ratio` or `--energy`, if one is given.
///
/// # Errors
///
/// If the share is out of its range.
pub fn share_rule(unfreeze_ratio: Option<f64>, energy: Option<f64>) -> Result<Option<Value>> {
    let rule = match (unfreeze_ratio, energy) {
        (Some(ratio), _) => {
            ensure!(
                (0.0..=1.0).contains(&ratio),
                "--unfreeze-ratio {ratio}: expected a share from 0 (nothing trains) to 1 (everything)"
            );
            Some(ShareRule::fixed(1.0 - ratio))
        }
        (None, energy) => energy.map(ShareRule::energy),
    };
    Ok(rule.map(Value::try_from).transpose()?)
}

impl InspectArgs {
    /// The settings of the methods.
    ///
    /// # Errors
    ///
    /// If a share is out of its range.
    pub fn methods(&self) -> Result<Table> {
        let mut methods = Table::new();
        if let Some(rule) = share_rule(self.unfreeze_ratio, self.energy)? {
            let own = Table::from_iter([("protected_share".to_string(), rule)]);
            methods.insert("osft".to_string(), Value::Table(own));
        }
        Ok(methods)
    }
}
