//! How a product and its gradients are computed; `cost` chooses it.

use burn::tensor::DType;

use crate::split::Side;

/// How one side of a constraint reduces a gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// Not at all.
    None,
    /// Its basis spans the free directions, with lengths or without: the gradient is brought to coordinates.
    ToFree,
    /// Its basis spans the protected directions: their part is removed.
    WithoutProtected,
}

impl Reduction {
    pub(super) fn of(side: &Side) -> Self {
        match side {
            Side::Free(_) | Side::Scaled(_) => Self::ToFree,
            Side::Protected(_) => Self::WithoutProtected,
            Side::Open | Side::Closed => Self::None,
        }
    }
}

/// How a product and its gradients are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Reduction on the input side.
    pub input: Reduction,
    /// Reduction on the output side.
    pub output: Reduction,
    /// Whether inputs and output gradients are brought to coordinates before they are multiplied, rather than
    /// after.
    pub narrow: bool,
    /// Whether the weight is formed in the forward pass; otherwise `W₀` and the core are multiplied separately.
    pub formed_forward: bool,
    /// Whether the weight is formed in the backward pass.
    pub formed_backward: bool,
    /// Whether the inputs are saved in coordinates.
    pub coordinates_kept: bool,
    /// The type of products with rows; that of the core if `None`.
    pub dtype: Option<DType>,
}
