//! Memory that a method needs, counted from the shapes of the model.

use anyhow::Result;
use burn::module::Module;
use lm::Model;
use osft::{BasePrecision, HeldNumbers, Osft, OsftConfig, Others};

use crate::config::{MethodName, RunConfig};

/// What one method needs of memory.
pub struct Needs {
    /// Numbers that train; `None` where it follows from what is decomposed.
    pub trainable: Option<usize>,
    /// Weights and what is attached to them, a gradient and two moments per number that trains, in
    /// megabytes; as if all of the targets trained where that follows from what is decomposed.
    pub megabytes: usize,
}

/// Counts without looking at a value: a model that was built and not filled suffices.
pub fn needs(config: &RunConfig, method: MethodName, model: &Model) -> Result<Needs> {
    let parameters = model.num_params();
    // Weights, and three numbers more for each that trains.
    let plain = |trainable: usize| Needs {
        trainable: Some(trainable),
        megabytes: (parameters + 3 * trainable) * 4 / 1_000_000,
    };
    // Adapters come beside the weights.
    let adapters = |adapters: usize| Needs {
        trainable: Some(adapters),
        megabytes: (parameters + 4 * adapters) * 4 / 1_000_000,
    };
    Ok(match config.osft_config(method) {
        Some(osft) => osft_needs(osft, model, parameters)?,
        // The targets are looked up, which is what most often goes wrong.
        None => match method {
            MethodName::Lora => adapters(config.lora.adapter_parameters(model)?),
            MethodName::OLora => adapters(config.o_lora.adapter_parameters(model)?),
            _ => plain(parameters),
        },
    })
}

fn osft_needs(osft: &OsftConfig, model: &Model, parameters: usize) -> Result<Needs> {
    let targets = osft.targets.selected(model)?;
    let targets: usize = targets.iter().map(|t| t.shape[0] * t.shape[1]).sum();
    let others_trained = match osft.others {
        Others::Frozen => 0,
        Others::Trained => parameters - targets,
    };
    let others = HeldNumbers {
        weights: parameters - targets,
        trained: others_trained,
        ..HeldNumbers::default()
    };
    // Counting needs no split, unless the share follows from what is decomposed.
    let bf16 = osft.base_precision == BasePrecision::Bf16;
    let held = Osft::held_numbers_of(model, osft)?.unwrap_or(HeldNumbers {
        weights: if bf16 { 0 } else { targets },
        bf16_weights: if bf16 { targets } else { 0 },
        trained: targets,
        ..HeldNumbers::default()
    });
    let free = Osft::free_parameters_of(model, osft)?;
    Ok(Needs {
        trainable: free.map(|free| free + others_trained),
        megabytes: (held + others).bytes() / 1_000_000,
    })
}

impl Needs {
    /// The memory, in words.
    pub fn memory(&self) -> String {
        match self.trainable {
            Some(_) => format!("at least {} MB", self.megabytes),
            None => format!("{} MB if all of the targets trained", self.megabytes),
        }
    }

    /// What trains, in words.
    pub fn trainable(&self) -> String {
        match self.trainable {
            Some(count) => format!("{count} trainable"),
            None => "at most all of the targets trainable".to_string(),
        }
    }
}
