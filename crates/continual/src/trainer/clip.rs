//! Clips by the global norm of all gradients; Burn's own clipping works per tensor.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use kernels::{scaled, sum_of_squares};

/// Euclidean norm over all gradients of a module's parameters; 0 if it has no gradients.
///
/// It synchronizes with the device once.
pub fn global_norm<M: Module>(module: &M, grads: &GradientsParams) -> f64 {
    let mut visitor = SumOfSquares { grads, sum: None };
    module.visit(&mut visitor);
    visitor
        .sum
        .map_or(0.0, |sum| f64::from(sum.into_scalar::<f32>()).sqrt())
}

/// Scales all gradients so that their global norm is at most `max_norm`, and returns the norm
/// before scaling.
///
/// If `max_norm` is 0 or the norm is not finite, the gradients stay unchanged.
pub fn clip_by_global_norm<M: Module>(
    module: &M,
    grads: &mut GradientsParams,
    max_norm: f64,
) -> f64 {
    let norm = global_norm(module, grads);
    if max_norm > 0.0 && norm.is_finite() && norm > max_norm {
        let factor = max_norm / norm;
        module.visit(&mut Scale { grads, factor });
    }
    norm
}

struct SumOfSquares<'a> {
    grads: &'a GradientsParams,
    sum: Option<Tensor<1>>,
}

impl ModuleVisitor for SumOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            let squares = sum_of_squares(grad);
            self.sum = Some(match self.sum.take() {
                Some(sum) => sum + squares,
                None => squares,
            });
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, scaled(grad, self.factor));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    #[test]
    fn gradients_are_scaled_together_and_only_above_the_maximum_norm() {
        let device = Device::flex().autodiff();
        let module = LinearConfig::new(2, 3).init(&device);
        let x = Tensor::<2>::from_data([[3.0, 4.0]], &device);
        let gradients = || {
            let loss = module.forward(x.clone()).sum();
            GradientsParams::from_grads(loss.backward(), &module)
        };
        // dW = xᵀ·1 (three times 25 in squares), db = 1 (three times).
        let expected = 78.0_f64.sqrt();
        let mut grads = gradients();
        assert!((clip_by_global_norm(&module, &mut grads, 1.0) - expected).abs() < 1e-5);
        assert!((global_norm(&module, &grads) - 1.0).abs() < 1e-6);
        for max_norm in [0.0, 100.0] {
            let mut grads = gradients();
            clip_by_global_norm(&module, &mut grads, max_norm);
            assert!((global_norm(&module, &grads) - expected).abs() < 1e-5);
        }
    }
}
