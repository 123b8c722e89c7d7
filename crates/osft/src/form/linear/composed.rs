//! The same product from Burn's own operations, for backends that this crate was built without.

use burn::tensor::Tensor;

use super::plan::Plan;
use crate::form::composed;
use crate::module::widened;
use crate::split::{Constraint, Side};

/// `x W`, differentiable by `x` and the core. Where the core gradient is cheaper than the gradient of the whole
/// weight, the core is multiplied separately, so that only the former is computed.
///
/// # Shapes
/// - `x`: `[.., d_in]`
/// - `base`: `[d_in, d_out]`
/// - `core`: [`Constraint::core_shape`]
/// - output: `[.., d_out]`
pub(super) fn product<const D: usize>(
    x: &Tensor<D>,
    base: Tensor<2>,
    core: Tensor<2>,
    constraint: &Constraint,
    plan: Plan,
) -> Tensor<D> {
    let mut shape = x.dims();
    let [d_in, d_out] = base.dims();
    let rows = shape.iter().product::<usize>() / d_in.max(1);
    let x = x.clone().reshape([rows, d_in]);
    let y = match plan.narrow {
        true => {
            let constraint = constraint.beside(&core);
            let core = constraint.constrain(core);
            let change = in_coordinates(&constraint.input, x.clone()).matmul(core);
            x.matmul(widened(base)) + from_coordinates(&constraint.output, change)
        }
        false => x.matmul(composed(constraint, base, core)),
    };
    shape[D - 1] = d_out;
    y.reshape(shape)
}

/// `x N`, or `x` on a side that stores no free basis.
fn in_coordinates(side: &Side, rows: Tensor<2>) -> Tensor<2> {
    match side.reducing_basis() {
        Some(basis) => rows.matmul(basis.clone()),
        None => rows,
    }
}

/// `c Nᵀ`, or `c` on a side that stores no free basis.
fn from_coordinates(side: &Side, rows: Tensor<2>) -> Tensor<2> {
    match side.reducing_basis() {
        Some(basis) => rows.matmul(basis.clone().transpose()),
        None => rows,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{GradientsParams, SgdConfig};
    use burn::tensor::{Device, Distribution};

    use super::super::Osft;
    use super::*;
    use crate::config::OsftConfig;
    use crate::form::linear::KeptInput;
    use crate::form::{FreeCore, linear::plan::Plan};

    /// Relative error of sums of a few dozen f32 products in two orders.
    const ROUNDING: f32 = 1e-5;

    fn distance(left: Tensor<2>, right: Tensor<2>) -> f32 {
        let norm = |x: Tensor<2>| x.square().sum().sqrt().into_scalar::<f32>();
        norm(left - right.clone()) / norm(right)
    }

    /// The result, and the gradients of the input and of the core.
    fn derivatives(weight: &Param<Tensor<2>>, x: &Tensor<3>, y: Tensor<3>) -> [Tensor<2>; 3] {
        let width = y.dims()[2];
        let value = y.clone().inner().reshape([-1, width as isize]);
        let mut grads = (y.clone() * (y * 0.3 + 1.0)).sum().backward();
        let of_x = x.grad_remove(&mut grads).unwrap();
        let of_x = of_x.reshape([-1, x.dims()[2] as isize]);
        let core = weight.reparameterization::<FreeCore>().unwrap();
        [value, of_x, core.core().val().grad(&grads).unwrap()]
    }

    fn trained(d_in: usize, d_out: usize, share: f64, device: &Device) -> Linear {
        let layer = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
        let config = OsftConfig::new().with_protected_share(share);
        let osft = Osft::split(&layer, &config).unwrap();
        let layer = osft.prepare(layer).unwrap();
        let mut optimizer = osft.optimizer(SgdConfig::new().build()).unwrap();
        let x = Tensor::<2>::random([9, d_in], Distribution::Default, device);
        let loss = layer.forward(x).square().sum();
        let grads = GradientsParams::from_grads(loss.backward(), &layer);
        optimizer.step(1e-2, layer, grads)
    }

    #[test]
    fn both_ways_equal_the_layer() {
        let device = Device::flex().autodiff();
        let mut ways = [0, 0];
        for [d_in, d_out] in [[16, 16], [16, 40], [40, 16]] {
            for share in [0.2, 0.6, 0.9] {
                let layer = trained(d_in, d_out, share, &device);
                let attached = layer.weight.reparameterization::<FreeCore>().unwrap();
                let (constraint, core) = (attached.constraint(), attached.core());
                for tokens in [1, 5, 200] {
                    let x = Tensor::<3>::random([2, tokens, d_in], Distribution::Default, &device);
                    let x = x.require_grad();
                    let plan =
                        Plan::new(constraint, [d_in, d_out], 2 * tokens, KeptInput::default());
                    ways[usize::from(plan.narrow)] += 1;
                    let base = layer.weight.base();
                    let y = product(&x, base, core.val(), constraint, plan);
                    let found = derivatives(&layer.weight, &x, y);
                    let expected = derivatives(&layer.weight, &x, layer.forward(x.clone()));
                    for (found, expected) in found.into_iter().zip(expected) {
                        let distance = distance(found, expected);
                        assert!(distance < ROUNDING, "{d_in}x{d_out} {share}: {distance:e}");
                    }
                }
            }
        }
        assert!(ways[0] > 0 && ways[1] > 0, "{ways:?}");
    }
}
