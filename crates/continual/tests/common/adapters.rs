//! What tests of methods with adapters share: a module of any shape, the trained factors, products in f64.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Device, Tensor, TensorData};
use continual::{Clock, OptimizerConfig, Task, TaskContext};
use osft::Targets;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Two linear layers side by side, with the names of the usual targets.
#[derive(Module, Debug)]
pub struct Pair {
    pub q_proj: Linear,
    pub v_proj: Linear,
}

impl Pair {
    /// Layers `[d_in, d_out]` with drawn weights and without biases.
    pub fn draw([d_in, d_out]: [usize; 2], random: &mut ChaCha8Rng, device: &Device) -> Self {
        let mut layer = || {
            let mut layer = LinearConfig::new(d_in, d_out).with_bias(false).init(device);
            let values = TensorData::new(draw(d_in * d_out, random), [d_in, d_out]);
            layer.weight = Param::from_data(values, device);
            layer
        };
        Self {
            q_proj: layer(),
            v_proj: layer(),
        }
    }
}

/// Query and value projections of [`Pair`] and of the decoder in the tests.
pub fn targets() -> Targets {
    Targets::matching([r"(q|v)_proj\.weight$"])
}

/// Numbers from -1 to 1.
pub fn draw(count: usize, random: &mut ChaCha8Rng) -> Vec<f32> {
    (0..count)
        .map(|_| random.random_range(-1.0..=1.0))
        .collect()
}

pub fn context<'a>(
    tasks: &'a [Task],
    index: usize,
    clock: &'a Clock,
    optimizer: &'a OptimizerConfig,
) -> TaskContext<'a> {
    TaskContext {
        index,
        count: tasks.len(),
        first: 0,
        task: &tasks[index],
        clock,
        optimizer,
    }
}

/// The trained matrices, in the model's order.
pub fn trained<M: Module>(model: &M) -> Vec<Tensor<2>> {
    struct Collect(Vec<Tensor<2>>);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                let value = param.val();
                let dims = value.dims();
                self.0.push(value.reshape([dims[0], dims[1]]));
            }
        }
    }
    let mut collect = Collect(Vec::new());
    model.visit(&mut collect);
    collect.0
}

/// Gives the trained matrices other values, in the model's order.
pub fn with_trained<M: Module>(model: M, values: &[Vec<f32>]) -> M {
    struct Fill<'a>(std::slice::Iter<'a, Vec<f32>>);
    impl ModuleMapper for Fill<'_> {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if !param.is_require_grad() {
                return param;
            }
            let values = self.0.next().unwrap().clone();
            param.map(|value| {
                let data = TensorData::new(values, value.dims());
                Tensor::from_data(data, &value.device()).require_grad()
            })
        }
    }
    model.map(&mut Fill(values.iter()))
}

pub fn host(tensor: &Tensor<2>) -> Vec<f64> {
    tensor.clone().inner().into_data().iter::<f64>().collect()
}

pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// `a b` in f64: `a` has `rows` rows and as many columns as `b` has rows.
pub fn product(a: &[f64], rows: usize, b: &[f64], columns: usize) -> Vec<f64> {
    let inner = b.len() / columns;
    let entry = |i: usize, j: usize| -> f64 {
        (0..inner)
            .map(|k| a[i * inner + k] * b[k * columns + j])
            .sum()
    };
    (0..rows)
        .flat_map(|i| (0..columns).map(move |j| (i, j)))
        .map(|(i, j)| entry(i, j))
        .collect()
}

/// A matrix with `columns` columns, transposed.
pub fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns;
    let indices = (0..columns).flat_map(|j| (0..rows).map(move |i| i * columns + j));
    indices.map(|index| values[index]).collect()
}
