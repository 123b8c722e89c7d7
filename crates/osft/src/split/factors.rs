//! The free part of a weight as factors.

use burn::module::ParamId;
use burn::tensor::{DType, Device, Tensor};
use faer::Mat;

use crate::linalg::{Vectors, decompose, to_tensor};

/// `P_l diag(s_l) Q_lᵀ`
///
/// # Shapes
/// - `input`: `[d_in, c]`
/// - `scale`: `[c]`
/// - `output`: `[c, d_out]`
pub(crate) fn product(input: Tensor<2>, scale: Tensor<1>, output: Tensor<2>) -> Tensor<2> {
    (input * scale.unsqueeze_dim::<2>(0)).matmul(output)
}

/// Values and identities of a layer's factors at the split.
#[derive(Clone, Debug)]
pub(crate) struct Factors {
    pub ids: FactorIds,
    /// `[d_in, c]`
    pub input: Tensor<2>,
    /// `[c]`
    pub scale: Tensor<1>,
    /// `[c, d_out]`
    pub output: Tensor<2>,
}

/// Identities of a layer's factors, under which gradients and optimizer state are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FactorIds {
    pub input: ParamId,
    pub scale: ParamId,
    pub output: ParamId,
}

impl FactorIds {
    pub(crate) fn new() -> Self {
        Self {
            input: ParamId::new(),
            scale: ParamId::new(),
            output: ParamId::new(),
        }
    }
}

impl Factors {
    /// The singular value decomposition of the free part of a weight, with as many directions as the free
    /// part can have. `None` if it does not converge.
    ///
    /// The factors stay in the free directions even where singular values are zero: all their vectors are
    /// combinations of the free bases.
    ///
    /// # Shapes
    /// - `input`: `[d_in, a]`, `output`: `[d_out, b]`, orthonormal bases of the free directions
    /// - `core`: `[a, b]`, the weight in these bases
    pub(crate) fn of_core(
        input: &Mat<f64>,
        output: &Mat<f64>,
        core: &Mat<f64>,
        device: &Device,
        dtype: DType,
    ) -> Option<Self> {
        let parts = decompose(core, Vectors::Thin)?;
        let count = parts.values.len();
        let tensor = |matrix: &Mat<f64>| to_tensor(matrix.as_ref(), device, dtype);
        let scale = Mat::from_fn(1, count, |_, j| parts.values[j]);
        Some(Self {
            ids: FactorIds::new(),
            input: tensor(&(input * &parts.input)),
            scale: tensor(&scale).reshape([count]),
            output: tensor(&(output * &parts.output).transpose().to_owned()),
        })
    }

    pub(crate) fn product(&self) -> Tensor<2> {
        product(self.input.clone(), self.scale.clone(), self.output.clone())
    }

    /// Number of trainable numbers.
    pub(crate) fn len(&self) -> usize {
        let [d_in, count] = self.input.dims();
        let [_, d_out] = self.output.dims();
        count * (d_in + 1 + d_out)
    }
}
