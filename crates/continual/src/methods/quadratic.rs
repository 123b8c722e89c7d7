//! The gradient of a quadratic penalty on the distance from earlier weights.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Adds `λ F ⊙ (θ - θ*)` to the gradients: the gradient of `λ/2 Σ F (θ - θ*)²`, without autodiff. `θ*` is `anchor`,
/// `λ` is `strength`; without an importance, `F` is 1.
///
/// A parameter without a gradient keeps none: the optimizer does not move it.
pub(super) fn add_pull<M: Module>(
    model: &M,
    mut grads: GradientsParams,
    strength: f64,
    anchor: &M,
    importance: Option<&M>,
) -> GradientsParams {
    // Adding zeros could still change a bit: -0.0 + 0.0 is 0.0.
    if strength == 0.0 {
        return grads;
    }
    model.visit(&mut AddPull {
        strength,
        anchor: values(anchor),
        importance: importance.map(values),
        grads: &mut grads,
    });
    grads
}

/// The values of a module's parameters by their identities, without autodiff.
pub(super) fn values<M: Module>(module: &M) -> GradientsParams {
    let mut collect = Collect(GradientsParams::new());
    module.visit(&mut collect);
    collect.0
}

struct Collect(GradientsParams);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.register(param.id, param.val().inner());
    }
}

struct AddPull<'a> {
    strength: f64,
    anchor: GradientsParams,
    importance: Option<GradientsParams>,
    grads: &'a mut GradientsParams,
}

impl ModuleVisitor for AddPull<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(anchor) = self.anchor.remove::<D>(param.id) else {
            return;
        };
        let mut pull = param.val().inner() - anchor;
        if let Some(importance) = &mut self.importance {
            // What no task depended on is not held.
            let Some(importance) = importance.remove::<D>(param.id) else {
                return;
            };
            pull = pull * importance;
        }
        let Some(gradient) = self.grads.remove::<D>(param.id) else {
            return;
        };
        self.grads
            .register(param.id, gradient + pull * self.strength);
    }
}
