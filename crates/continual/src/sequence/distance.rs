//! How far a model is from the one that the sequence started from.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{FloatDType, Tensor};
use kernels::sum_of_squares;

use crate::method::{Combine, Figure, Notation};

/// The Frobenius norm of the change of all parameters, as a figure of every method: retention often
/// follows it, whatever the method.
/// `continues` says that the base is the model that an earlier sequence ended with.
pub(super) fn distance_figure<M: Module>(base: &M, model: &M, continues: bool) -> Figure {
    let since = match continues {
        false => "the base model",
        true => "the model that this sequence started from",
    };
    Figure {
        name: "distance".to_string(),
        meaning: format!("Frobenius norm of the change of all parameters since {since}"),
        value: distance(base, model),
        notation: Notation::Fixed(2),
        combine: Combine::Last,
    }
}

/// `sqrt(Σ (a - b)²)` over all parameters of two modules of the same kind, summed in f32 within a
/// parameter and in f64 over parameters.
fn distance<M: Module>(a: &M, b: &M) -> f64 {
    let values = |module: &M| {
        let mut collect = Collect(Vec::new());
        module.visit(&mut collect);
        collect.0
    };
    let squares = values(a).into_iter().zip(values(b)).map(|(a, b)| {
        let square = sum_of_squares(a - b);
        f64::from(square.into_scalar::<f32>())
    });
    squares.sum::<f64>().sqrt()
}

/// Whether all parameters of a module are finite, with what is attached to them.
pub(super) fn is_finite<M: Module>(module: &M) -> bool {
    let mut finite = Finite(true);
    module.visit(&mut finite);
    finite.0
}

struct Finite(bool);

impl ModuleVisitor for Finite {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        // A sum is not finite if a number is not.
        let sum = param.val().inner().cast(FloatDType::F32).sum();
        self.0 &= sum.into_scalar::<f32>().is_finite();
    }
}

struct Collect(Vec<Tensor<1>>);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.base().inner().cast(FloatDType::F32);
        let count = value.shape().num_elements();
        self.0.push(value.reshape([count]));
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleMapper;
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::Device;

    use super::*;

    struct Shift(f64);

    impl ModuleMapper for Shift {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            param.map(|value| value + self.0)
        }
    }

    #[test]
    fn one_number_that_is_not_finite_is_found() {
        let layers: Vec<Linear> = (0..2)
            .map(|_| LinearConfig::new(7, 5).init(&Device::flex()))
            .collect();
        assert!(is_finite(&layers));
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut broken = layers.clone();
            let weight = broken[1].weight.val();
            let cell = Tensor::from_floats([[bad]], &Device::flex());
            broken[1].weight = Param::from_tensor(weight.slice_assign([3..4, 2..3], cell));
            assert!(!is_finite(&broken), "{bad}");
        }
    }

    #[test]
    fn the_distance_counts_every_parameter_once() {
        let layers: Vec<Linear> = (0..2)
            .map(|_| LinearConfig::new(7, 5).init(&Device::flex()))
            .collect();
        let moved = layers.clone().map(&mut Shift(-0.5));
        let numbers = 2.0 * (7.0 * 5.0 + 5.0);
        let expected = 0.5 * f64::sqrt(numbers);
        // Each difference is rounded once, to half a unit in the last place of numbers below one.
        assert!((distance(&layers, &moved) - expected).abs() < 1e-6 * expected);
        assert!(distance(&layers, &layers) == 0.0);
    }
}
