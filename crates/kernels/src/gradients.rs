//! What clipping does to gradients.

use burn::tensor::{FloatDType, Tensor};

/// Σ x², on the tensor's device.
///
/// # Shapes
/// - output: `[1]`
pub fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if runs_loops(&tensor) {
        return on_flex::sum_of_squares(tensor);
    }
    tensor.cast(FloatDType::F32).square().sum()
}

/// All numbers times a factor, in place where nothing else has them.
///
/// # Shapes
/// - output: that of `tensor`
pub fn scaled<const D: usize>(tensor: Tensor<D>, factor: f64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if runs_loops(&tensor) {
        return on_flex::scaled(tensor, factor);
    }
    tensor * factor
}

/// Whether the loops take a tensor: in f32, on flex, not differentiated.
#[cfg(feature = "flex")]
pub fn runs_loops<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    let on_flex = matches!(device.as_dispatch(), burn::backend::DispatchDevice::Flex(_));
    on_flex && tensor.dtype() == burn::tensor::DType::F32
}

#[cfg(feature = "flex")]
mod on_flex {
    use burn::backend::{Backend, Dispatch, Flex, backend_extension, tensor::FloatTensor};
    use burn::tensor::{Tensor, TensorData};

    use crate::loops;

    pub(super) fn sum_of_squares<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
        Tensor::from_dispatch(Dispatch::sum_of_squares_of(tensor.into_dispatch()))
    }

    pub(super) fn scaled<const D: usize>(tensor: Tensor<D>, factor: f64) -> Tensor<D> {
        Tensor::from_dispatch(Dispatch::scaled_by(tensor.into_dispatch(), factor))
    }

    /// Operations on the gradient of a parameter.
    #[backend_extension(Flex)]
    pub trait GradientOps: Backend {
        /// # Shapes
        /// - output: `[1]`
        fn sum_of_squares_of(tensor: FloatTensor<Self>) -> FloatTensor<Self>;

        /// # Shapes
        /// - output: that of `tensor`
        fn scaled_by(tensor: FloatTensor<Self>, factor: f64) -> FloatTensor<Self>;
    }

    impl GradientOps for Flex {
        fn sum_of_squares_of(tensor: FloatTensor<Self>) -> FloatTensor<Self> {
            let tensor = tensor.to_contiguous();
            let sum = loops::sum_of_squares(tensor.storage()) as f32;
            FloatTensor::<Self>::from_data(TensorData::new(vec![sum], [1]))
        }

        fn scaled_by(tensor: FloatTensor<Self>, factor: f64) -> FloatTensor<Self> {
            // A second handle would make the numbers be copied.
            let mut scaled = tensor.to_contiguous();
            drop(tensor);
            loops::scale(scaled.storage_mut(), factor as f32);
            scaled
        }
    }
}
