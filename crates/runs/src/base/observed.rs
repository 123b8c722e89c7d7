//! Whether the layers whose inputs a method measures are layers whose inputs can be measured.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use burn::module::ParamId;
use burn::tensor::Tensor;
use lm::{Example, LanguageModel, Model, Observer};

use crate::settings::RunConfig;

/// The layers of a model that show their inputs.
#[derive(Default)]
pub struct Observed(HashSet<ParamId>);

impl Observer for Observed {
    fn projected(&mut self, _input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        self.0.extend(outputs.iter().map(|(id, _)| *id));
    }
}

impl Observed {
    /// Runs the model over one token and looks which layers are seen: a calibration that starts an hour
    /// later would find the same.
    pub fn of(model: &Model) -> Self {
        let mut observed = Self::default();
        let example = Example {
            prompt: vec![0],
            answer: vec![0],
        };
        model.observe(&[example], &mut observed);
        observed
    }

    /// Checks that the layers that a configuration's methods measure are among them.
    ///
    /// # Errors
    ///
    /// A target that no calibration can observe, by its path and setting.
    pub fn check(&self, config: &RunConfig, model: &Model) -> Result<()> {
        for method in &config.compare {
            for layer in config
                .kind(method)?
                .observed(config.method(method), model)?
            {
                ensure!(
                    self.0.contains(&layer.id),
                    "settings of {}: the targets select {}, which is no linear layer of the model's blocks, \
                     so that its inputs cannot be measured; leave it out of `targets`, or measure nothing \
                     (--set calibration.base_rows=0)",
                    method,
                    layer.path
                );
            }
        }
        Ok(())
    }
}
