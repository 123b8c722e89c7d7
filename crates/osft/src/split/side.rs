//! One side of a split: the directions of a layer's inputs (or outputs) that may move.

use burn::tensor::{DType, Device, Tensor};
use faer::Mat;

use crate::linalg::to_tensor;
use crate::module::beside;

/// The directions on one side of a weight: `d` directions, of which `k` are protected.
///
/// Two bases describe the same free space; the smaller one is stored. `d` and `k` alone decide which one,
/// because the coordinates that an optimizer such as AdamW works in are part of the method.
#[derive(Clone, Debug)]
pub enum Side {
    /// `k = 0`: every direction is free, and the coordinates are those of the weight.
    Open,
    /// `d - k <= k`: an orthonormal basis `N` of the free directions, `[d, d - k]`.
    Free(Tensor<2>),
    /// `d - k > k`: an orthonormal basis `P` of the protected directions, `[d, k]`. The coordinates are those
    /// of the weight, projected.
    Protected(Tensor<2>),
    /// An orthogonal basis `V diag(p)` of the free directions, `[d, d - k]`, whose columns have the lengths
    /// `p > 0`: see [`Scaling`](crate::Scaling). The `k >= 0` other directions are protected.
    Scaled(Tensor<2>),
    /// `k = d`: nothing can move, and all coordinates are zero.
    Closed,
}

/// Whether a side stores its free basis rather than its protected one.
pub(crate) fn keeps_free_basis(d: usize, k: usize) -> bool {
    k > 0 && k < d && d - k <= k
}

impl Side {
    /// Side of dimension `d` whose first `k` columns of `basis` are protected.
    ///
    /// `basis` is `[d, c]` with orthonormal columns; it must be complete (`c = d`) if [`keeps_free_basis`]
    /// holds. The stored columns have the type `dtype`, f32 or f64.
    pub(crate) fn new(basis: &Mat<f64>, k: usize, device: &Device, dtype: DType) -> Self {
        let d = basis.nrows();
        if k == 0 {
            Self::Open
        } else if k == d {
            Self::Closed
        } else if keeps_free_basis(d, k) {
            Self::Free(columns(basis, k..d, device, dtype))
        } else {
            Self::Protected(columns(basis, 0..k, device, dtype))
        }
    }

    /// Side of dimension `d` whose first `k` columns of `basis` are protected, and whose others have the
    /// positive scales `scales`.
    ///
    /// `basis` is `[d, d]` with orthonormal columns. The stored columns have the type `dtype`, f32 or f64.
    pub(crate) fn scaled(basis: &Mat<f64>, scales: &[f64], device: &Device, dtype: DType) -> Self {
        let d = basis.nrows();
        let k = d - scales.len();
        let columns = Mat::from_fn(d, scales.len(), |i, j| basis[(i, k + j)] * scales[j]);
        Self::Scaled(to_tensor(columns.as_ref(), device, dtype))
    }

    /// The same side with a copied basis.
    pub(crate) fn copied(&self) -> Self {
        self.map(|basis| basis.clone().mul_scalar(1.0))
    }

    /// The same side, on the device and with the autodiff state of `tensor`.
    pub(crate) fn beside<const D: usize>(&self, tensor: &Tensor<D>) -> Self {
        self.map(|basis| beside(basis.clone(), tensor))
    }

    /// The same side in another type of numbers.
    pub(crate) fn in_type(&self, dtype: DType) -> Self {
        self.map(|basis| basis.clone().cast(dtype))
    }

    /// The stored basis, if there is one.
    pub(crate) fn basis(&self) -> Option<&Tensor<2>> {
        match self {
            Self::Free(basis) | Self::Protected(basis) | Self::Scaled(basis) => Some(basis),
            Self::Open | Self::Closed => None,
        }
    }

    /// The basis that brings gradients to coordinates, if there is one.
    pub(crate) fn reducing_basis(&self) -> Option<&Tensor<2>> {
        match self {
            Self::Free(basis) | Self::Scaled(basis) => Some(basis),
            Self::Open | Self::Protected(_) | Self::Closed => None,
        }
    }

    fn map(&self, convert: impl Fn(&Tensor<2>) -> Tensor<2>) -> Self {
        match self {
            Self::Free(free) => Self::Free(convert(free)),
            Self::Protected(protected) => Self::Protected(convert(protected)),
            Self::Scaled(scaled) => Self::Scaled(convert(scaled)),
            Self::Open => Self::Open,
            Self::Closed => Self::Closed,
        }
    }

    /// Number of coordinates that an optimizer sees for a side of dimension `d`.
    pub fn coordinates(&self, d: usize) -> usize {
        self.reducing_basis().map_or(d, |basis| basis.dims()[1])
    }

    /// Coordinates of the rows of `x`: `Nᵀ x` (`diag(p) Vᵀ x` on a scaled side), or `x` with its protected part
    /// removed.
    ///
    /// # Shapes
    /// - `x`: `[d, n]`
    /// - output: `[coordinates, n]`
    pub(crate) fn lower(&self, x: Tensor<2>) -> Tensor<2> {
        match self.reducing_basis() {
            Some(basis) => basis.clone().transpose().matmul(x),
            None => self.constrain(x),
        }
    }

    /// The transpose of [`lower`](Self::lower): `N c`. Its inverse on the free space, but on a scaled side.
    ///
    /// # Shapes
    /// - `c`: `[coordinates, n]`
    /// - output: `[d, n]`
    pub(crate) fn lift(&self, c: Tensor<2>) -> Tensor<2> {
        match self.reducing_basis() {
            Some(basis) => basis.clone().matmul(c),
            None => c,
        }
    }

    /// Removes the protected part from coordinates. Only needed if these are the coordinates of the weight.
    ///
    /// # Shapes
    /// - `c` and output: `[coordinates, n]`
    pub(crate) fn constrain(&self, c: Tensor<2>) -> Tensor<2> {
        match self {
            Self::Protected(basis) => {
                let part = basis.clone().transpose().matmul(c.clone());
                c - basis.clone().matmul(part)
            }
            Self::Closed => c.zeros_like(),
            Self::Open | Self::Free(_) | Self::Scaled(_) => c,
        }
    }

    /// The protected part of the rows of `x`, as `[d, n]`; `None` where nothing is protected.
    ///
    /// # Shapes
    /// - `x`: `[d, n]`
    pub(crate) fn protected_part(&self, x: Tensor<2>) -> Option<Tensor<2>> {
        match self {
            Self::Open => None,
            Self::Free(basis) => {
                let free = basis
                    .clone()
                    .matmul(basis.clone().transpose().matmul(x.clone()));
                Some(x - free)
            }
            Self::Protected(basis) => {
                Some(basis.clone().matmul(basis.clone().transpose().matmul(x)))
            }
            Self::Scaled(basis) => {
                let [d, free] = basis.dims();
                (free < d).then(|| {
                    let lengths = basis.clone().square().sum_dim(0).sqrt();
                    let unscaled = basis.clone() / lengths;
                    let free = unscaled
                        .clone()
                        .matmul(unscaled.transpose().matmul(x.clone()));
                    x - free
                })
            }
            Self::Closed => Some(x),
        }
    }
}

fn columns(
    basis: &Mat<f64>,
    range: std::ops::Range<usize>,
    device: &Device,
    dtype: DType,
) -> Tensor<2> {
    to_tensor(
        basis.as_ref().subcols(range.start, range.len()),
        device,
        dtype,
    )
}
