//! The chains on Burn's processor backend, in f32: one vectorized pass each, on all threads.

use burn::backend::{Backend, Flex, TensorMetadata, tensor::FloatTensor};
use burn::tensor::{DType, FloatDType, Shape};
use kernels::{Bias, Rotation};

use super::chains::Chains;
use super::composed;

type Numbers = FloatTensor<Flex>;

impl Chains for Flex {
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
            kernels::softmax_of_biased(scores, [batch, heads, queries], keys, bias);
        })
    }

    fn softmax_gradient(probabilities: Numbers, g: Numbers) -> Numbers {
        if !are_f32([Some(&probabilities), Some(&g)]) {
            return composed::softmax_gradient::<Self>(probabilities, g);
        }
        let [_, _, _, keys] = shape(&g);
        let probabilities = probabilities.to_contiguous();
        changed(g, |g| {
            kernels::softmax_gradient(slice(&probabilities), g, keys);
        })
    }

    fn gated(gate: Numbers, up: Numbers) -> Numbers {
        if !are_f32([Some(&gate), Some(&up)]) {
            return composed::gated::<Self>(gate, up);
        }
        let (gate, up) = (gate.to_contiguous(), up.to_contiguous());
        changed(like(&gate), |output| {
            kernels::silu_gate(slice(&gate), slice(&up), output);
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
            kernels::silu_gate_gradients(slice(&gate), slice(&up), g, of_up);
        });
        [of_gate, of_up]
    }

    fn normed(x: Numbers, gamma: Numbers, epsilon: f64) -> Numbers {
        if !are_f32([Some(&x), Some(&gamma)]) {
            return composed::normed::<Self>(x, gamma, epsilon);
        }
        let (x, gamma) = (x.to_contiguous(), gamma.to_contiguous());
        changed(like(&x), |output| {
            kernels::rms_norm(slice(&x), slice(&gamma), epsilon as f32, output);
        })
    }

    fn norm_gradient(x: Numbers, gamma: Numbers, epsilon: f64, g: Numbers) -> Numbers {
        if !are_f32([Some(&x), Some(&gamma)]) {
            return composed::norm_gradient::<Self>(x, gamma, epsilon, g);
        }
        let (x, gamma) = (x.to_contiguous(), gamma.to_contiguous());
        changed(g, |g| {
            kernels::rms_norm_gradient(slice(&x), slice(&gamma), epsilon as f32, g);
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
            kernels::rotate(x, [batch, heads, tokens], half, rotation);
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

/// A new tensor of the same shape.
fn like(tensor: &Numbers) -> Numbers {
    fn empty<B: Backend>(shape: Shape, device: &B::Device) -> FloatTensor<B> {
        B::float_empty(shape, device, FloatDType::F32)
    }
    empty::<Flex>(tensor.shape(), &Default::default())
}

/// Changes the numbers of a tensor: in place if nothing else has them, otherwise in a copy.
fn changed(tensor: Numbers, change: impl FnOnce(&mut [f32])) -> Numbers {
    // A second handle would make the next line copy.
    let mut contiguous = tensor.to_contiguous();
    drop(tensor);
    change(contiguous.storage_mut());
    contiguous
}
