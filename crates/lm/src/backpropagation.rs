//! The backward pass of a loss piece by piece: what a piece keeps for it exists only during its own.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Gradients, Tensor};

use crate::LinearMap;
use crate::head::{Head, Targets};

/// How the gradients of a loss are formed.
#[derive(Clone, Copy)]
pub struct Backpropagation<'a> {
    /// What the summed loss is multiplied by.
    pub scale: f64,
    /// Multiplies by the weights of the blocks.
    pub map: &'a dyn LinearMap,
    /// Whether the forward pass keeps only the input of each block, and the backward pass computes the rest
    /// again: a quarter more time for a tenth of the memory that grows with the tokens.
    pub activation_checkpointing: bool,
}

/// Takes gradients as they arise. The same parameter may come up more than once: what comes is summed.
pub type GradientSink<'a> = dyn FnMut(GradientsParams) + 'a;

/// The backward pass through the graphs of a model's parts, one after the other.
pub(crate) struct BackwardPass<'a, M> {
    model: &'a M,
    device: Device,
    sink: &'a mut GradientSink<'a>,
}

impl<'a, M: Module> BackwardPass<'a, M> {
    /// The device is the model's, with its kind of differentiation.
    pub(crate) fn new(model: &'a M, device: Device, sink: &'a mut GradientSink<'a>) -> Self {
        Self {
            model,
            device,
            sink,
        }
    }

    /// A value that is differentiated by, at the beginning of a graph of its own.
    pub(crate) fn leaf<const D: usize>(&self, value: Tensor<D>) -> Tensor<D> {
        self.constant(value).require_grad()
    }

    /// A value that is not differentiated by.
    pub(crate) fn constant<const D: usize>(&self, value: Tensor<D>) -> Tensor<D> {
        let value = value.inner();
        match self.device.gradient_checkpointing_strategy() {
            Some(strategy) => value
                .autodiff()
                .with_gradient_checkpointing_strategy(strategy),
            None => value,
        }
    }

    /// Goes back from `y`, whose gradient is given. The gradients of the model's parameters go to the
    /// sink, what remains are those of the leaves.
    pub(crate) fn through<const D: usize>(
        &mut self,
        y: Tensor<D>,
        gradient: Tensor<D>,
    ) -> Gradients {
        let gradient = self.constant(gradient);
        self.differentiate((y * gradient).sum())
    }

    /// As [`through`](Self::through), where anything that is trained led to `y`: the end of the way.
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

    /// The scaled loss of final hidden states that have a graph of their own, whose backward pass runs too.
    ///
    /// # Shapes
    /// - `hidden`: `[batch, tokens, hidden]`
    pub(crate) fn whole(mut self, hidden: Tensor<3>, targets: &Targets, head: &Head<'_>) -> f64 {
        let chosen = targets.select(hidden);
        let (loss, gradient) = self.through_head(&chosen, targets, head);
        self.finish(chosen, gradient);
        loss
    }

    /// Summed and scaled negative log-likelihood of targets through an output head, and its gradient
    /// for the hidden states. A few rows are done at a time, so that a large vocabulary's logits never
    /// exist for all of them.
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
            let loss = head.loss_of_some(part.clone(), tokens);
            let value = loss.clone().inner();
            sum = Some(match sum {
                Some(sum) => sum + value,
                None => value,
            });
            gradients.push(of(&part, &mut self.differentiate(loss)));
        }
        let sum = sum.map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()));
        (sum, Tensor::cat(gradients, 0))
    }
}

/// The gradient of a leaf on which the result of a backward pass depends.
pub(crate) fn of<const D: usize>(leaf: &Tensor<D>, gradients: &mut Gradients) -> Tensor<D> {
    let gradient = leaf.grad_remove(gradients);
    gradient.expect("invariant: the result depends on the leaf")
}

/// Whether any parameter of a module is trained.
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
