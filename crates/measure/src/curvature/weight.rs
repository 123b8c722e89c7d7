//! One weight of a module: read, and moved along a direction.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use faer::Mat;

use super::directions::Direction;

/// A weight and its module, which is evaluated with the weight moved.
pub struct MovedWeight<'a, M: Module> {
    module: &'a M,
    id: ParamId,
    /// `[d_in, d_out]`
    value: Tensor<2>,
}

impl<'a, M: Module> MovedWeight<'a, M> {
    /// The rank-2 parameter of a module with this identity; `None` if there is none.
    pub fn new(module: &'a M, id: ParamId) -> Option<Self> {
        let mut read = Read { id, value: None };
        module.visit(&mut read);
        let value = read.value?;
        Some(Self { module, id, value })
    }

    /// The weight on the host, `[d_in, d_out]`.
    pub fn matrix(&self) -> Mat<f64> {
        let [rows, columns] = self.value.dims();
        let values: Vec<f64> = self.value.clone().into_data().iter::<f64>().collect();
        Mat::from_fn(rows, columns, |i, j| values[i * columns + j])
    }

    /// The directions in which [`moved`](Self::moved) moves the weight, as a tensor of the weight's type.
    ///
    /// # Shapes
    /// - output: `[d_in, d_out]`
    pub fn tensor(&self, direction: &Direction) -> Tensor<2> {
        let on_device = |values: &[f64], shape: [usize; 2]| {
            let data = TensorData::new(values.to_vec(), shape);
            Tensor::<2>::from_data(data, (&self.value.device(), self.value.dtype()))
        };
        let input = on_device(&direction.input, [direction.input.len(), 1]);
        let output = on_device(&direction.output, [1, direction.output.len()]);
        input.matmul(output)
    }

    /// The module with the weight `W + distance · direction`.
    ///
    /// # Shapes
    /// - `direction`: `[d_in, d_out]`
    pub fn moved(&self, direction: &Tensor<2>, distance: f64) -> M {
        let value = self.value.clone() + direction.clone().mul_scalar(distance);
        self.module.clone().map(&mut Replace {
            id: self.id,
            value: Some(value),
        })
    }
}

struct Read {
    id: ParamId,
    value: Option<Tensor<2>>,
}

impl ModuleVisitor for Read {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.id == self.id && D == 2 {
            let value = param.val();
            let shape = value.shape();
            self.value = Some(value.reshape(shape));
        }
    }
}

struct Replace {
    id: ParamId,
    value: Option<Tensor<2>>,
}

impl ModuleMapper for Replace {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if param.id != self.id {
            return param;
        }
        match self.value.take() {
            Some(value) => param.map(|old| value.reshape(old.shape())),
            None => param,
        }
    }
}
