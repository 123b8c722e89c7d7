//! The chains, composed of a backend's own operations. Where numbers have two bytes, all but products computes in f32 and
//! rounds once, at its end: most chains subtract numbers that are nearly equal.

use burn::backend::{Backend, TensorMetadata, tensor::FloatTensor};

use super::types::{in_type, widened};

pub(super) fn product<B: Backend>(a: FloatTensor<B>, b: FloatTensor<B>) -> FloatTensor<B> {
    B::float_matmul(a, b)
}

pub(super) fn product_added<B: Backend>(
    c: FloatTensor<B>,
    a: FloatTensor<B>,
    b: FloatTensor<B>,
) -> FloatTensor<B> {
    B::float_add(c, B::float_matmul(a, b))
}

pub(super) fn softmax_of_biased<B: Backend>(
    scores: FloatTensor<B>,
    bias: Option<FloatTensor<B>>,
) -> FloatTensor<B> {
    let scores = match bias {
        Some(bias) => B::float_add(scores, bias),
        None => scores,
    };
    B::softmax(scores, 3)
}

pub(super) fn softmax_gradient<B: Backend>(
    probabilities: FloatTensor<B>,
    g: FloatTensor<B>,
) -> FloatTensor<B> {
    let sum = B::float_mul(g.clone(), probabilities.clone());
    let sum = B::float_sum_dim(sum, 3);
    B::float_mul(B::float_sub(g, sum), probabilities)
}

pub(super) fn gated<B: Backend>(gate: FloatTensor<B>, up: FloatTensor<B>) -> FloatTensor<B> {
    let dtype = gate.dtype();
    let (gate, up) = (widened::<B>(gate), widened::<B>(up));
    let sigmoid = B::sigmoid(gate.clone());
    in_type::<B>(B::float_mul(B::float_mul(gate, sigmoid), up), dtype)
}

pub(super) fn gate_gradients<B: Backend>(
    gate: FloatTensor<B>,
    up: FloatTensor<B>,
    g: FloatTensor<B>,
) -> [FloatTensor<B>; 2] {
    let dtype = gate.dtype();
    let (gate, up, g) = (widened::<B>(gate), widened::<B>(up), widened::<B>(g));
    let sigmoid = B::sigmoid(gate.clone());
    let silu = B::float_mul(gate, sigmoid.clone());
    let of_up = B::float_mul(silu.clone(), g.clone());
    // silu' = σ + silu (1 - σ) = σ + silu - silu σ
    let falling = B::float_mul(silu.clone(), sigmoid.clone());
    let slope = B::float_sub(B::float_add(sigmoid, silu), falling);
    [B::float_mul(B::float_mul(slope, up), g), of_up].map(|of| in_type::<B>(of, dtype))
}

pub(super) fn normed<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    epsilon: f64,
) -> FloatTensor<B> {
    let x = in_type::<B>(x, gamma.dtype());
    let size = size::<B>(x.clone(), epsilon);
    B::float_mul(B::float_div(x, size), gamma)
}

pub(super) fn norm_gradient<B: Backend>(
    x: FloatTensor<B>,
    gamma: FloatTensor<B>,
    epsilon: f64,
    g: FloatTensor<B>,
) -> FloatTensor<B> {
    // With s = √(mean(x²) + ε) and u = γ g: (u - n mean(u n)) / s, n = x / s.
    let (last, dtype) = (x.shape().num_dims() - 1, x.dtype());
    let x = in_type::<B>(x, gamma.dtype());
    let size = size::<B>(x.clone(), epsilon);
    let normed = B::float_div(x, size.clone());
    let u = B::float_mul(g, gamma);
    let along = B::float_mean_dim(B::float_mul(u.clone(), normed.clone()), last);
    let across = B::float_sub(u, B::float_mul(normed, along));
    in_type::<B>(B::float_div(across, size), dtype)
}

pub(super) fn rotated<B: Backend>(
    x: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    back: bool,
) -> FloatTensor<B> {
    let dtype = x.dtype();
    let x = in_type::<B>(x, cos.dtype());
    let half = cos.shape()[3];
    let mut all = x.shape().to_vec();
    all[3] = half;
    let part = |start: usize| {
        let ranges = all.iter().enumerate().map(|(dim, &size)| match dim {
            3 => (start..start + half).into(),
            _ => (0..size).into(),
        });
        B::float_slice(x.clone(), &ranges.collect::<Vec<_>>())
    };
    let (first, second) = (part(0), part(half));
    let sin = if back { B::float_neg(sin) } else { sin };
    let product = |a: &FloatTensor<B>, b: &FloatTensor<B>| B::float_mul(a.clone(), b.clone());
    let rotated_first = B::float_sub(product(&first, &cos), product(&second, &sin));
    let rotated_second = B::float_add(product(&second, &cos), product(&first, &sin));
    in_type::<B>(B::float_cat(vec![rotated_first, rotated_second], 3), dtype)
}

/// `√(mean(x²) + ε)`: `[.., 1]`
fn size<B: Backend>(x: FloatTensor<B>, epsilon: f64) -> FloatTensor<B> {
    let last = x.shape().num_dims() - 1;
    let mean = B::float_mean_dim(B::float_mul(x.clone(), x), last);
    B::float_sqrt(B::float_add_scalar(mean, epsilon.into()))
}
