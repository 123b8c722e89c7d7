//! Memory and time that a method needs, counted from the shapes of the model.

use anyhow::Result;
use burn::module::Module;
use lm::Model;
use osft::{Osft, Others};

use crate::config::{MethodName, RunConfig};

/// What one method needs of memory.
pub struct Needs {
    /// Numbers that train; `None` where it follows from what is decomposed.
    pub trainable: Option<usize>,
    /// Weights, gradients and two moments per number that trains, in megabytes: the least.
    pub megabytes: usize,
}

/// Counts without looking at a value: a model that was built and not filled suffices.
pub fn needs(config: &RunConfig, method: MethodName, model: &Model) -> Result<Needs> {
    let parameters = model.num_params();
    let trainable = match method {
        MethodName::Seqft | MethodName::PerTask | MethodName::MultiTask => Some(parameters),
        // The targets are looked up, which is what most often goes wrong.
        MethodName::Lora => Some(config.lora.adapter_parameters(model)?),
        MethodName::OLora => Some(config.o_lora.adapter_parameters(model)?),
        // Counting needs no split, unless the share follows from what is decomposed.
        MethodName::OsftPaper | MethodName::Osft => match config.osft_config(method) {
            None => None,
            Some(osft) => {
                let targets = osft.targets.selected(model)?;
                let targets: usize = targets.iter().map(|t| t.shape[0] * t.shape[1]).sum();
                let others = match osft.others {
                    Others::Frozen => 0,
                    Others::Trained => parameters - targets,
                };
                Osft::free_parameters_of(model, osft)?.map(|free| free + others)
            }
        },
    };
    let counted = trainable.unwrap_or(parameters);
    Ok(Needs {
        trainable,
        megabytes: (2 * parameters + 2 * counted) * 4 / 1_000_000,
    })
}

impl Needs {
    /// What trains, in words.
    pub fn trainable(&self) -> String {
        match self.trainable {
            Some(count) => format!("{count} trainable"),
            None => "at most all of the targets trainable".to_string(),
        }
    }
}
