//! Sums that stay on the device over many passes, and come to the host in blocks.

use burn::tensor::{DType, Tensor};

use super::Calibrator;
use super::sums::exact_scale;

/// Inputs that are summed on the device before the sums come to the host: few enough that a sum of so many terms in f32
/// keeps five digits, many enough that copies of the sums are rare.
const BLOCK: usize = 1 << 14;

/// Sums over the inputs of some passes, in the type of the inputs.
#[derive(Debug)]
pub(super) struct DeviceSums {
    /// `scale² Σ xᵀ x`, `[d, d]`.
    product: Tensor<2>,
    /// `scale Σ x`, `[1, d]`.
    sum: Tensor<2>,
    /// `scale⁴ Σ ‖x‖⁴`, `[1]`, if it is asked for.
    fourth_powers: Option<Tensor<1>>,
    rows: usize,
    /// A power of two, the same for all passes of a block.
    scale: f64,
}

/// What a block of passes sums to, on the host, without the scale.
pub(super) struct Block {
    /// `Σ xᵀ x`, row by row, before it is multiplied by `factor`.
    pub product: Vec<f32>,
    pub factor: f64,
    pub sum: Vec<f64>,
    pub fourth_powers: f64,
}

impl DeviceSums {
    /// Whether inputs of this type are summed on the device: f64 is there for its digits, which blocks would keep, but few
    /// devices compute with it.
    pub(super) fn take(dtype: DType) -> bool {
        dtype != DType::F64
    }

    /// Adds the inputs of a pass.
    ///
    /// # Shapes
    /// - `input`: `[n, d]`, `n` at least 1
    pub(super) fn add(earlier: Option<Self>, input: Tensor<2>, with_fourth_powers: bool) -> Self {
        let rows = input.dims()[0];
        // The only number that is waited for, once in a block: sizes of inputs hardly change within one.
        let scale = match &earlier {
            Some(earlier) => earlier.scale,
            None => {
                let largest = input.clone().abs().max().into_scalar::<f32>();
                exact_scale(f64::from(largest))
            }
        };
        let input = match scale == 1.0 {
            true => input,
            false => input * scale,
        };
        let product = input.clone().transpose().matmul(input.clone());
        let fourth_powers = with_fourth_powers.then(|| {
            let squares = input.clone().square().sum_dim(1);
            squares.square().sum()
        });
        let sum = input.sum_dim(0);
        match earlier {
            None => Self {
                product,
                sum,
                fourth_powers,
                rows,
                scale,
            },
            Some(earlier) => Self {
                product: earlier.product + product,
                sum: earlier.sum + sum,
                fourth_powers: earlier.fourth_powers.zip(fourth_powers).map(|(a, b)| a + b),
                rows: earlier.rows + rows,
                scale,
            },
        }
    }

    /// Whether the block has as many inputs as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.rows >= BLOCK
    }

    /// Brings the sums to the host.
    pub(super) fn block(self) -> Block {
        let unscaled = 1.0 / self.scale;
        let numbers = |tensor: Tensor<2>| tensor.into_data().iter::<f64>().collect::<Vec<_>>();
        let fourth_powers = self.fourth_powers.map_or(0.0, |sum| {
            let sum = sum.into_data().iter::<f64>().sum::<f64>();
            sum * unscaled.powi(4)
        });
        Block {
            product: self.product.into_data().iter::<f32>().collect(),
            factor: unscaled * unscaled,
            sum: numbers(self.sum)
                .into_iter()
                .map(|sum| sum * unscaled)
                .collect(),
            fourth_powers,
        }
    }
}

/// A sum of numbers, of which a part may still be on the device.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    host: f64,
    /// `[1]`
    pending: Option<Tensor<1>>,
}

impl Total {
    /// The sum of all entries: on the host in f64, or left on the device.
    pub(crate) fn of(tensor: Tensor<2>, on_device: bool) -> Self {
        match on_device {
            false => Self {
                host: tensor.into_data().iter::<f64>().sum(),
                pending: None,
            },
            true => Self {
                host: 0.0,
                pending: Some(tensor.sum()),
            },
        }
    }

    /// The sum of the squares of all entries. On the host they are squared in f64.
    pub(crate) fn of_squares(tensor: Tensor<2>, on_device: bool) -> Self {
        match on_device {
            false => Self {
                host: tensor.into_data().iter::<f64>().map(|v| v * v).sum(),
                pending: None,
            },
            true => Self::of(tensor.square(), on_device),
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.host += other.host;
        self.pending = match (self.pending.take(), other.pending) {
            (Some(own), Some(other)) => Some(own + other),
            (own, other) => own.or(other),
        };
    }

    /// The sum, from the device if a part is still there.
    pub(crate) fn value(self) -> f64 {
        let pending = self.pending;
        let pending = pending.map_or(0.0, |sum| sum.into_data().iter::<f64>().sum());
        self.host + pending
    }
}

impl Calibrator {
    /// Keeps sums on the device of the inputs over many passes, in their type, and brings them to the host in blocks of
    /// some ten thousand inputs. By default every pass is summed on the host in f64, which is exact and, on a processor,
    /// as fast; a graphics card would wait for every copy.
    ///
    /// Inputs in f64 and inputs whose moment is a [sketch](Self::with_sketch) are summed on the host in any case. The
    /// device holds one matrix in f32 for every group of layers that share an input.
    pub fn with_sums_on_device(mut self, on_device: bool) -> Self {
        self.on_device = on_device;
        self
    }
}
