//! The backward pass in pieces: the activations that a piece saves only exist during its own backward pass.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Gradients, Tensor};

use super::head::{Head, Targets};
use crate::layers::LinearMap;
use crate::ops::MixedPrecision;

/// Settings of a backward pass.
#[derive(Clone, Copy)]
pub struct Backpropagation<'a> {
    /// Factor of the summed loss.
    pub scale: f64,
    /// Applies the weights of the blocks, in the forward pass.
    pub map: &'a dyn LinearMap,
    /// Whether to use activation checkpointing: the forward pass only saves the input of each block, and the
    /// backward pass recomputes the rest. This takes a quarter more time and a tenth of the memory that grows
    /// with the number of tokens.
    pub activation_checkpointing: bool,
    /// Whether the rows follow each other in one row without padding. No row sees another: the result is that of
    /// padded rows beyond rounding. Only for models that [`can_pack`](crate::LanguageModel::can_pack); others pad.
    pub packing: bool,
    /// The type of activations and matrix products.
    pub precision: MixedPrecision,
}

/// Receives gradients as they become available. A parameter may occur more than once: its gradients are to be
/// summed.
pub type GradientSink<'a> = dyn FnMut(GradientsParams) + 'a;

/// A backward pass through the graphs of a model's parts, one after the other.
pub(crate) struct BackwardPass<'a, M> {
    model: &'a M,
    device: Device,
    sink: &'a mut GradientSink<'a>,
}

impl<'a, M: Module> BackwardPass<'a, M> {
    /// `device` is the device of the model, with its autodiff settings.
    pub(crate) fn new(model: &'a M, device: Device, sink: &'a mut GradientSink<'a>) -> Self {
        Self {
            model,
            device,
            sink,
        }
    }

    /// A leaf, which begins a new graph.
    pub(crate) fn leaf<const D: usize>(&self, value: Tensor<D>) -> Tensor<D> {
        self.constant(value).require_grad()
    }

    /// A constant, which has no gradient.
    pub(crate) fn constant<const D: usize>(&self, value: Tensor<D>) -> Tensor<D> {
        let value = value.inner();
        match self.device.gradient_checkpointing_strategy() {
            Some(strategy) => value
                .autodiff()
                .with_gradient_checkpointing_strategy(strategy),
            None => value,
        }
    }

    /// Runs the backward pass from `y`, given the gradient of `y`. Passes the gradients of the model's
    /// parameters to the sink and returns the gradients of the leaves.
    pub(crate) fn through<const D: usize>(
        &mut self,
        y: Tensor<D>,
        gradient: Tensor<D>,
    ) -> Gradients {
        let gradient = self.constant(gradient);
        self.differentiate((y * gradient).sum())
    }

    /// As [`through`](Self::through), for the lowest part of the model. Does nothing if `y` depends on no
    /// trainable parameter.
    pub(crate) fn finish<const D: usize>(&mut self, y: Tensor<D>, gradient: Tensor<D>) {
        if y.is_tracked() {
            self.through(y, gradient);
        }
    }

    fn differentiate(&mut self, loss: Tensor<1>) -> Gradients {
        let mut gradients = loss.backward();
        (self.sink)(GradientsParams::from_module(&mut gradients, self.model));
        gradients
    }

    /// The scaled loss of final hidden states. Runs the backward pass through the head and through the whole
    /// graph of the hidden states.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, tokens, hidden]`
    pub(crate) fn whole(mut self, hidden: Tensor<3>, targets: &Targets, head: &Head<'_>) -> f64 {
        let chosen = targets.select(hidden);
        let (loss, gradient) = self.through_head(&chosen, targets, head);
        self.finish(chosen, gradient);
        loss
    }

    /// Summed and scaled negative log-likelihood of targets, and its gradient for the hidden states. Only a
    /// few rows go through the head at a time, so that the logits of a large vocabulary never exist for all
    /// of them.
    ///
    /// # Shapes
    /// - `hidden` and the gradient: `[targets, hidden]`
    pub(crate) fn through_head(
        &mut self,
        hidden: &Tensor<2>,
        targets: &Targets,
        head: &Head<'_>,
    ) -> (f64, Tensor<2>) {
        let hidden = hidden.clone().inner();
        let tokens = targets.tokens();
        let mut sum: Option<Tensor<1>> = None;
        let mut gradients = Vec::new();
        for (part, tokens) in head.pieces(&hidden, &tokens) {
            let part = self.leaf(part);
            let loss = head.loss_of_piece(part.clone(), tokens);
            let value = loss.clone().inner();
            sum = Some(match sum {
                Some(sum) => sum + value,
                None => value,
            });
            gradients.push(gradient_of(&part, &mut self.differentiate(loss)));
        }
        let sum = sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()));
        (sum, Tensor::cat(gradients, 0))
    }
}

/// Removes and returns the gradient of a leaf. The loss must depend on it.
pub(crate) fn gradient_of<const D: usize>(
    leaf: &Tensor<D>,
    gradients: &mut Gradients,
) -> Tensor<D> {
    let gradient = leaf.grad_remove(gradients);
    gradient.expect("invariant: the loss depends on the leaf")
}

/// Whether any parameter of a module is trainable.
pub(crate) fn trains<M: Module>(module: &M) -> bool {
    let mut visitor = Trains(false);
    module.visit(&mut visitor);
    visitor.0
}

struct Trains(bool);

impl ModuleVisitor for Trains {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0 |= param.is_require_grad();
    }
}
