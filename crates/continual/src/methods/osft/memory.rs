//! The memory that OSFT needs while it trains.

use ::osft::{
    BasePrecision, Combine, HeldNumbers, Osft, OsftConfig, Others, ShareRule, SplitSource,
    moment_bytes,
};
use burn::module::Module;

use crate::error::ContinualError;
use crate::method::MemoryNeeds;

/// Share of the directions that is assumed to be protected where the values decide it. Up to a half, what
/// trains is as large as the weight, so that the share changes the size of the bases alone.
const ASSUMED_SHARE: f64 = 0.25;

/// Counts the memory without reading values.
pub(in crate::methods) fn needs<M: Module>(
    config: &OsftConfig,
    model: &M,
) -> Result<MemoryNeeds, ContinualError> {
    let parameters = model.num_params();
    let targets = config.targets.selected(model)?;
    let of_gradients: usize = match config.split.needs_gradients() {
        true => targets.iter().map(|t| moment_bytes(t.shape[1])[1]).sum(),
        false => 0,
    };
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
    let known = Osft::held_numbers_of(model, config)?;
    let numbers = match known {
        Some(numbers) => numbers,
        // Shapes decide the assumed numbers.
        None => assumed(config, model)?.unwrap_or_default(),
    } + others;
    // The core form leaves weights as they are, unless it rounds them; the factored forms take a part away.
    let changed = match (config.form.is_factored(), config.base_precision) {
        (false, BasePrecision::Full) => 0,
        _ => targets,
    };
    let free = Osft::free_parameters_of(model, config)?;
    Ok(MemoryNeeds {
        trainable: free.map(|free| free + others_trained),
        weights: 4 * numbers.weights + 2 * numbers.bf16_weights,
        shared: 4 * (parameters - changed - others_trained),
        splits: true,
        attached: 4 * (numbers.starts + numbers.bases + numbers.attached) + of_gradients,
        gradients: 4 * numbers.trained,
        moments: 8 * numbers.trained,
        ..MemoryNeeds::default()
    })
}

/// The numbers if a rule that reads values protected [`ASSUMED_SHARE`] of the directions of every input.
fn assumed<M: Module>(
    config: &OsftConfig,
    model: &M,
) -> Result<Option<HeldNumbers>, ContinualError> {
    let mut config = config
        .clone()
        .with_split(SplitSource::Inputs)
        .with_combine(Combine::Mean)
        .with_share_rule(ShareRule::fixed(ASSUMED_SHARE));
    config.target_shares.clear();
    Ok(Osft::held_numbers_of(model, &config)?)
}
