//! Checks that calibration can observe the layers whose inputs a method measures.

use std::collections::HashSet;

use anyhow::{Result, ensure};
use burn::module::ParamId;
use burn::tensor::Tensor;
use lm::{Example, LanguageModel, Model, Observer};

use crate::settings::RunConfig;

/// The layers of a model whose inputs can be observed.
#[derive(Default)]
pub struct Observed(HashSet<ParamId>);

impl Observer for Observed {
    fn projected(&mut self, _input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        self.0.extend(outputs.iter().map(|(id, _)| *id));
    }
}

impl Observed {
    /// Runs the model over one token and collects the layers that it reports. This finds an error
    /// before training starts, and not hours later during calibration.
    pub fn of(model: &Model) -> Self {
        let mut observed = Self::default();
        let example = Example::new(vec![0], vec![0]);
        model.observe(&[example], &mut observed);
        observed
    }

    /// Checks that these layers include all layers that the configured methods measure.
    ///
    /// # Errors
    ///
    /// If calibration cannot observe a target; the message names its path and its setting.
    pub fn check(&self, config: &RunConfig, model: &Model) -> Result<()> {
        for method in &config.compare {
            for layer in config
                .kind(method)?
                .observed(config.method(method), model)?
            {
                ensure!(
                    self.0.contains(&layer.id),
                    "settings of {}: the targets select {}, which is no linear layer of the model's blocks, \
                     so that its inputs cannot be measured; leave it out of `targets` or, for a split by weights without a bound, measure nothing \
                     (--set calibration.base_rows=0)",
                    method,
                    layer.path
                );
            }
        }
        Ok(())
    }
}
