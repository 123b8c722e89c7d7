//! What is observed of a layer: the shapes, and how similar outputs are to inputs.

use burn::tensor::Tensor;

use super::device_sums::Total;
use crate::error::OsftError;
use crate::module::Place;

/// Whether an input and an output have the shapes of their layer. `dimension_before` is that of its earlier
/// inputs.
///
/// # Errors
///
/// [`OsftError::OtherObservation`] if they do not.
pub(super) fn fits(
    place: &Place,
    dimension_before: Option<usize>,
    input: [usize; 2],
    output: [usize; 2],
) -> Result<(), OsftError> {
    let [rows, width] = input;
    // Burn may report the shape of an uninitialized parameter transposed.
    let [d_in, d_out] = match place.has_shape([width, output[1]]) {
        true => [dimension_before.unwrap_or(width), output[1]],
        false => place.shape,
    };
    let mut checked = [
        ("inputs", input, [rows, d_in]),
        ("outputs", output, [rows, d_out]),
    ]
    .into_iter();
    match checked.find(|(_, found, expected)| found != expected) {
        None => Ok(()),
        Some((what, found, expected)) => Err(OsftError::OtherObservation {
            layer: place.path.clone(),
            what,
            expected,
            found,
        }),
    }
}

/// The cosines of a layer's inputs and outputs.
#[derive(Debug, Default)]
pub(super) struct Cosines {
    total: Total,
    count: usize,
}

impl Cosines {
    /// Adds the rows of a pass. With `on_device`, nothing comes to the host.
    ///
    /// # Shapes
    /// - `x`: `[n, d_in]`
    /// - `y`: `[n, d_out]`
    pub(super) fn add(&mut self, x: Tensor<2>, y: Tensor<2>, on_device: bool) {
        self.count += x.dims()[0];
        self.total.add(Total::of(cosines(x, y), on_device));
    }

    /// The mean over rows.
    pub(super) fn mean(self) -> f64 {
        self.total.value() / self.count.max(1) as f64
    }
}

/// `cos(x, y)` of every row, both truncated to their first `min(d_in, d_out)` entries. A row of `x` or `y` that is zero
/// there gives 0.
///
/// # Shapes
/// - `x`: `[n, d_in]`
/// - `y`: `[n, d_out]`
/// - output: `[n, 1]`
fn cosines(x: Tensor<2>, y: Tensor<2>) -> Tensor<2> {
    let [rows, d_in] = x.dims();
    let r = d_in.min(y.dims()[1]);
    let x = x.slice([0..rows, 0..r]);
    let y = y.slice([0..rows, 0..r]);
    let dot = (x.clone() * y.clone()).sum_dim(1);
    let lengths = x.square().sum_dim(1).sqrt() * y.square().sum_dim(1).sqrt();
    dot / lengths.clamp_min(f32::MIN_POSITIVE)
}
