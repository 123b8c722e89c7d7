//! Rows of different lengths in one tensor.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Pads rows on the right to the longest one.
///
/// # Shapes
/// - output: `[rows, longest row]`
pub(crate) fn padded(rows: &[Vec<u32>], padding: u32, device: &Device) -> Tensor<2, Int> {
    let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
    let ids: Vec<i32> = rows
        .iter()
        .flat_map(|row| {
            let rest = std::iter::repeat_n(padding, longest - row.len());
            row.iter().copied().chain(rest).map(|id| id as i32)
        })
        .collect();
    Tensor::from_data(TensorData::new(ids, [rows.len(), longest]), device)
}

/// Indices of the first `lengths[i]` of `width` columns of each row `i`, counted over all rows.
pub(crate) fn indices(lengths: &[usize], width: usize) -> Vec<i32> {
    lengths
        .iter()
        .enumerate()
        .flat_map(|(row, &length)| (0..length).map(move |token| (row * width + token) as i32))
        .collect()
}
