//! Frobenius norms of changes.

use burn::tensor::{Device, Tensor};

/// Frobenius norm, summed in f64: an f32 sum of squares underflows for small leaks. A graphics card sums each row itself, so
/// that the matrix does not come to the host.
pub(super) fn norm(tensor: Tensor<2>) -> f64 {
    match is_graphics_card(&tensor.device()) {
        true => of_rows(tensor),
        false => {
            let squares: f64 = tensor.into_data().iter::<f64>().map(|v| v * v).sum();
            squares.sqrt()
        }
    }
}

fn is_graphics_card(device: &Device) -> bool {
    match device.clone().without_autodiff().as_dispatch() {
        #[cfg(any(feature = "wgpu", feature = "cuda"))]
        burn::backend::DispatchDevice::Cube(_) => true,
        #[allow(unreachable_patterns)]
        _ => false,
    }
}

/// The norm from sums of squares of the rows, in the type of the tensor. Relative to the largest number no square that
/// counts underflows.
fn of_rows(tensor: Tensor<2>) -> f64 {
    let largest: f64 = tensor.clone().abs().max().into_data().iter::<f64>().sum();
    if largest == 0.0 || !largest.is_finite() {
        // A maximum may leave NaN out, a sum does not.
        let sum: f64 = tensor.sum().into_data().iter::<f64>().sum();
        return if sum.is_nan() { sum } else { largest };
    }
    let rows = (tensor / largest).square().sum_dim(1);
    let squares: f64 = rows.into_data().iter::<f64>().sum();
    largest * squares.sqrt()
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, TensorData};

    use super::*;

    /// Relative error of a sum of a few hundred squares in f32.
    const ROUNDING: f64 = 1e-6;

    #[test]
    fn rows_summed_on_a_device_give_the_norm_of_any_size() {
        let device = Device::flex();
        let matrix = Tensor::<2>::random([70, 300], Distribution::Default, &device);
        // The squares of the smallest ones underflow in f32, those of the largest overflow.
        for scale in [1e-30, 1e-12, 1.0, 1e25] {
            let scaled = matrix.clone() * scale;
            let ratio = of_rows(scaled.clone()) / norm(scaled);
            assert!((ratio - 1.0).abs() < ROUNDING, "{scale:e}: {ratio}");
        }
        assert_eq!(of_rows(matrix * 0.0), 0.0);
    }

    #[test]
    fn numbers_that_are_none_are_not_lost() {
        let of = |values: [f32; 4]| {
            let data = TensorData::new(values.to_vec(), [2, 2]);
            of_rows(Tensor::from_data(data, &Device::flex()))
        };
        assert!(of([1.0, f32::NAN, 2.0, 0.0]).is_nan());
        assert!(of([0.0, f32::NAN, 0.0, 0.0]).is_nan());
        assert!(of([1.0, f32::INFINITY, 2.0, 0.0]).is_infinite());
    }
}
