//! The learning rate of every step, from Burn's schedulers.

use burn::lr_scheduler::LrSchedulerConfig;
use burn::lr_scheduler::cosine::CosineAnnealingLrSchedulerConfig;
use burn::lr_scheduler::linear::LinearLrSchedulerConfig;
use burn::lr_scheduler::module_lr_scheduler::ModuleLrScheduler;
use burn::lr_scheduler::sequential::SequentialLrSchedulerConfig;

use super::{Schedule, TrainConfig};
use crate::error::ContinualError;

/// A scheduler for `steps` steps: linear warm-up from `peak / warm-up steps`, then the schedule.
pub(super) fn scheduler(
    config: &TrainConfig,
    steps: usize,
) -> Result<ModuleLrScheduler, ContinualError> {
    let peak = config.learning_rate;
    let warmup = (config.warmup_share * steps as f64).round() as usize;
    // A warm-up of one step is at the peak, as the first step of the schedule is.
    let rise = if warmup > 1 { warmup.min(steps) } else { 0 };
    let rest = (steps - rise).max(1);
    let main: LrSchedulerConfig = match config.schedule {
        Schedule::Constant => LinearLrSchedulerConfig::new(peak, peak, rest).into(),
        Schedule::Linear => LinearLrSchedulerConfig::new(peak, 0.0, rest).into(),
        Schedule::Cosine => CosineAnnealingLrSchedulerConfig::new(peak, rest).into(),
    };
    let sequence = if warmup > 1 {
        let first = peak / warmup as f64;
        let rise = LinearLrSchedulerConfig::new(first, peak, warmup - 1).into();
        SequentialLrSchedulerConfig::new(vec![rise, main], vec![warmup])
    } else {
        SequentialLrSchedulerConfig::new(vec![main], vec![])
    };
    sequence.init().map_err(|_| ContinualError::InvalidSetting {
        name: "learning_rate",
        found: peak.to_string(),
        expected: "above 0, at most 1",
    })
}
