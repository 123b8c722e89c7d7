//! The memory that OSFT needs while it trains.

use ::osft::{BasePrecision, HeldNumbers, Osft, OsftConfig, Others};
use burn::module::Module;

use crate::error::ContinualError;
use crate::method::MemoryNeeds;

/// Counts the memory without reading values.
pub(super) fn needs<M: Module>(
    config: &OsftConfig,
    model: &M,
) -> Result<MemoryNeeds, ContinualError> {
    let parameters = model.num_params();
    let targets = config.targets.selected(model)?;
    let targets: usize = targets.iter().map(|t| t.shape[0] * t.shape[1]).sum();
    let others_trained = match config.others {
        Others::Frozen => 0,
        Others::Trained => parameters - targets,
    };
    let others = HeldNumbers {
        weights: parameters - targets,
        trained: others_trained,
        ..HeldNumbers::default()
    };
    // Counting needs no split, unless the share depends on the decomposed values.
    let bf16 = config.base_precision == BasePrecision::Bf16;
    let all_targets = HeldNumbers {
        weights: if bf16 { 0 } else { targets },
        bf16_weights: if bf16 { targets } else { 0 },
        trained: targets,
        ..HeldNumbers::default()
    };
    let numbers = Osft::held_numbers_of(model, config)?.unwrap_or(all_targets);
    let free = Osft::free_parameters_of(model, config)?;
    Ok(MemoryNeeds {
        trainable: free.map(|free| free + others_trained),
        bytes: (numbers + others).bytes(),
    })
}
