//! Whether the layers that OSFT splits are layers whose inputs can be measured.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use burn::module::ParamId;
use burn::tensor::Tensor;
use lm::{Example, LanguageModel, Model, Observer};

use crate::config::RunConfig;

/// Which layers show their inputs.
#[derive(Default)]
struct Seen(HashSet<ParamId>);

impl Observer for Seen {
    fn projected(&mut self, _input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        self.0.extend(outputs.iter().map(|(id, _)| *id));
    }
}

/// Runs the model over one token and looks which layers are seen: a calibration that starts an hour
/// later would find the same.
///
/// # Errors
///
/// A target that no calibration can observe, by its path and setting.
pub fn check(config: &RunConfig, model: &Model) -> Result<()> {
    if config.calibration.base_rows == 0 {
        return Ok(());
    }
    let mut seen = None;
    for &method in &config.methods {
        let Some(osft) = config.osft_config(method) else {
            continue;
        };
        let seen = seen.get_or_insert_with(|| {
            let mut seen = Seen::default();
            let example = Example {
                prompt: vec![0],
                answer: vec![0],
            };
            model.observe(&[example], &mut seen);
            seen
        });
        for target in osft.targets.selected(model)? {
            ensure!(
                seen.0.contains(&target.id),
                "settings of {}: the targets select {}, which is no linear layer of the model's blocks, \
                 so that its inputs cannot be measured; leave it out of `targets`, or measure nothing \
                 (--set calibration.base_rows=0)",
                method.name(),
                target.path
            );
        }
    }
    Ok(())
}
