//! The chains on Burn's processor backend, in f32: one vectorized pass each, on all threads.

use burn::backend::{Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{DType, Shape, TensorData};

use super::{Chains, composed};
use crate::loops::{self, Bias, Matrix, Rotation, Written};

type Numbers = FloatTensor<Flex>;

/// Rows below which a product is left to flex, which has its own way for a vector.
const FEW_ROWS: usize = 4;

impl Chains for Flex {
    fn product(a: Numbers, b: Numbers) -> Numbers {
        let (a, b) = (rows_or_columns(a), rows_or_columns(b));
        let output = output_shape(&a, &b).filter(|_| are_f32([Some(&a), Some(&b)]));
        let Some(output) = output else {
            return composed::product::<Self>(a, b);
        };
        changed(zeros(output), |output| {
            let pairs: Vec<_> = matrices(&a).into_iter().zip(matrices(&b)).collect();
            match pairs[..] {
                [(a, b)] => loops::product(a, b, output, Written::Replaced),
                _ => loops::products(&pairs, output),
            }
        })
    }

    fn product_added(c: Numbers, a: Numbers, b: Numbers) -> Numbers {
        let (a, b) = (rows_or_columns(a), rows_or_columns(b));
        let fits =
            output_shape(&a, &b).is_some_and(|shape| shape == c.shape() && shape.num_dims() == 2);
        if !fits || !are_f32([Some(&a), Some(&b), Some(&c)]) {
            return composed::product_added::<Self>(c, a, b);
        }
        changed(c, |output| {
            for (a, b) in matrices(&a).into_iter().zip(matrices(&b)) {
                loops::product(a, b, output, Written::Added);
            }
        })
    }

    fn softmax_of_biased(scores: Numbers, bias: Option<Numbers>) -> Numbers {
        if !are_f32([Some(&scores), bias.as_ref()]) {
            return composed::softmax_of_biased::<Self>(scores, bias);
        }
        let [batch, heads, queries, keys] = shape(&scores);
        let bias = bias.map(|bias| bias.to_contiguous());
        changed(scores, |scores| {
            let bias = bias.as_ref().map(|bias| {
                let [batch, heads, queries, _] = shape(bias);
                Bias {
                    values: slice(bias),
                    shape: [batch, heads, queries],
                }
            });
            loops::softmax_of_biased(scores, [batch, heads, queries], keys, bias);
        })
    }

    fn softmax_gradient(probabilities: Numbers, g: Numbers) -> Numbers {
        if !are_f32([Some(&probabilities), Some(&g)]) {
            return composed::softmax_gradient::<Self>(probabilities, g);
        }
        let [_, _, _, keys] = shape(&g);
        let probabilities = probabilities.to_contiguous();
        changed(g, |g| {
            loops::softmax_gradient(slice(&probabilities), g, keys);
        })
    }

    fn gated(gate: Numbers, up: Numbers) -> Numbers {
        if !are_f32([Some(&gate), Some(&up)]) {
            return composed::gated::<Self>(gate, up);
        }
        let (gate, up) = (gate.to_contiguous(), up.to_contiguous());
        changed(like(&gate), |output| {
            loops::silu_gate(slice(&gate), slice(&up), output);
        })
    }

    fn gate_gradients(gate: Numbers, up: Numbers, g: Numbers) -> [Numbers; 2] {
        if !are_f32([Some(&gate), Some(&up)]) {
            return composed::gate_gradients::<Self>(gate, up, g);
        }
        let (gate, up) = (gate.to_contiguous(), up.to_contiguous());
        let mut of_up = like(&gate);
        let of_gate = changed(g, |g| {
            let of_up = of_up.storage_mut();
            loops::silu_gate_gradients(slice(&gate), slice(&up), g, of_up);
        });
        [of_gate, of_up]
    }

    fn normed(x: Numbers, gamma: Numbers, epsilon: f64) -> Numbers {
        if !are_f32([Some(&x), Some(&gamma)]) {
            return composed::normed::<Self>(x, gamma, epsilon);
        }
        let (x, gamma) = (x.to_contiguous(), gamma.to_contiguous());
        changed(like(&x), |output| {
            loops::rms_norm(slice(&x), slice(&gamma), epsilon as f32, output);
        })
    }

    fn norm_gradient(x: Numbers, gamma: Numbers, epsilon: f64, g: Numbers) -> Numbers {
        if !are_f32([Some(&x), Some(&gamma)]) {
            return composed::norm_gradient::<Self>(x, gamma, epsilon, g);
        }
        let (x, gamma) = (x.to_contiguous(), gamma.to_contiguous());
        changed(g, |g| {
            loops::rms_norm_gradient(slice(&x), slice(&gamma), epsilon as f32, g);
        })
    }

    fn rotated(x: Numbers, cos: Numbers, sin: Numbers, back: bool) -> Numbers {
        if !are_f32([Some(&x), Some(&cos)]) {
            return composed::rotated::<Self>(x, cos, sin, back);
        }
        let [batch, heads, tokens, _] = shape(&x);
        let [rows, _, _, half] = shape(&cos);
        let (cos, sin) = (cos.to_contiguous(), sin.to_contiguous());
        let rotation = Rotation {
            cos: slice(&cos),
            sin: slice(&sin),
            per_row: rows > 1,
            back,
        };
        changed(x, |x| {
            loops::rotate(x, [batch, heads, tokens], half, rotation);
        })
    }
}

fn are_f32<const N: usize>(tensors: [Option<&Numbers>; N]) -> bool {
    tensors
        .into_iter()
        .flatten()
        .all(|tensor| tensor.dtype() == DType::F32)
}

fn shape(tensor: &Numbers) -> [usize; 4] {
    tensor.shape().dims()
}

/// The numbers of a contiguous tensor.
fn slice(tensor: &Numbers) -> &[f32] {
    tensor.storage()
}

/// A tensor whose matrices are stored row after row or column after column.
fn rows_or_columns(tensor: Numbers) -> Numbers {
    let strides = tensor.layout().strides();
    let dims = strides.len();
    let shape = tensor.shape();
    let fits = |at: usize, other: usize| {
        // A dimension of one entry has no stride to speak of.
        (strides[at] == 1 || shape[at] == 1) && strides[other] >= shape[at] as isize
    };
    let positive = strides.iter().all(|&stride| stride >= 0);
    if dims >= 2 && positive && (fits(dims - 1, dims - 2) || fits(dims - 2, dims - 1)) {
        return tensor;
    }
    tensor.to_contiguous()
}

/// The shape of a product that the loops compute: matrices, or as many of them on both sides.
fn output_shape(a: &Numbers, b: &Numbers) -> Option<Shape> {
    let (a, b) = (a.shape(), b.shape());
    let dims = a.num_dims();
    if dims < 2 || b.num_dims() != dims || a[..dims - 2] != b[..dims - 2] {
        return None;
    }
    let (m, k, n) = (a[dims - 2], a[dims - 1], b[dims - 1]);
    if k != b[dims - 2] || k == 0 || m < FEW_ROWS || n < FEW_ROWS {
        return None;
    }
    let mut output = a.to_vec();
    output[dims - 1] = n;
    Some(Shape::from(output))
}

/// The matrices of a tensor that [`rows_or_columns`] gave, one after the other.
fn matrices(tensor: &Numbers) -> Vec<Matrix<'_>> {
    let (layout, shape) = (tensor.layout(), tensor.shape());
    let strides: Vec<usize> = layout
        .strides()
        .iter()
        .map(|&stride| stride as usize)
        .collect();
    let leading = shape.num_dims() - 2;
    let (rows, columns) = (shape[leading], shape[leading + 1]);
    let transposed = !(strides[leading + 1] == 1 || columns == 1);
    let stride = match transposed {
        true => strides[leading + 1],
        false => strides[leading],
    };
    let numbers: &[f32] = tensor.storage();
    let count: usize = shape[..leading].iter().product();
    (0..count)
        .map(|index| {
            let (mut rest, mut start) = (index, layout.start_offset());
            for dim in (0..leading).rev() {
                start += rest % shape[dim] * strides[dim];
                rest /= shape[dim];
            }
            Matrix {
                values: &numbers[start..],
                rows,
                columns,
                stride,
                transposed,
            }
        })
        .collect()
}

/// A new tensor of the same shape.
fn like(tensor: &Numbers) -> Numbers {
    zeros(tensor.shape())
}

/// A new tensor. Flex's own way to one copies it after it was filled.
fn zeros(shape: Shape) -> Numbers {
    let numbers = vec![0f32; shape.num_elements()];
    Numbers::from_data(TensorData::new(numbers, shape))
}

/// Changes the numbers of a tensor: in place if nothing else has them, otherwise in a copy.
fn changed(tensor: Numbers, change: impl FnOnce(&mut [f32])) -> Numbers {
    // A second handle would make the next line copy.
    let mut contiguous = tensor.to_contiguous();
    drop(tensor);
    change(contiguous.storage_mut());
    contiguous
}
