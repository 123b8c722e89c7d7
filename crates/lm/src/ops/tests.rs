//! Outputs and gradients equal those of Burn's operations.

#![allow(deprecated, clippy::unwrap_used)] // Burn 0.22 announces the removal of its ndarray backend.

use burn::module::Module;
use burn::nn::{RmsNorm, RmsNormConfig};
use burn::tensor::activation::{gelu_approximate, log_softmax, silu, softmax};
use burn::tensor::module::linear;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::{
    attend, gelu_gate, negative_log_likelihood, rms_norm, rms_norm_one_plus, rotate, silu_gate,
};

/// Relative error of sums of a few f32 products in two orders.
const ROUNDING: f32 = 2e-6;

fn devices() -> [Device; 2] {
    [Device::ndarray(), Device::flex()].map(Device::autodiff)
}

/// Unrelated numbers between -1 and 1.
fn numbers<const D: usize>(shape: [usize; D], salt: usize, device: &Device) -> Tensor<D> {
    let count = shape.iter().product();
    let at = |i: usize| (((i + 1) * (salt + 3) * 7919 % 1009) as f32 / 504.5) - 1.0;
    let values: Vec<f32> = (0..count).map(at).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().to_vec().unwrap()
}

/// A result and the gradients of the leaves and weights that have one. The result is weighted, so that no two
/// of its entries count the same.
fn with_gradients<const D: usize, const E: usize>(
    y: Tensor<E>,
    leaves: &[Tensor<D>],
    weights: &[Tensor<2>],
) -> Vec<Vec<f32>> {
    let factors = numbers(y.dims(), 5, &y.device());
    let gradients = (y.clone() * factors).sum().backward();
    let leaf_gradients = leaves.iter().filter_map(|leaf| leaf.grad(&gradients));
    let weight_gradients = weights.iter().filter_map(|w| w.grad(&gradients));
    let gradients = leaf_gradients
        .map(values)
        .chain(weight_gradients.map(values));
    std::iter::once(values(y)).chain(gradients).collect()
}

fn check(what: &str, found: &[Vec<f32>], expected: &[Vec<f32>], parts: usize) {
    assert_eq!((found.len(), expected.len()), (parts, parts), "{what}");
    for (part, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.len(), expected.len(), "{what}, part {part}");
        let scale = expected
            .iter()
            .fold(1.0_f32, |most, value| most.max(value.abs()));
        for (found, expected) in found.iter().zip(expected) {
            let error = (found - expected).abs() / scale;
            assert!(error < ROUNDING, "{what}, part {part}: {found} {expected}");
        }
    }
}

/// Leaves; the marked ones require a gradient.
fn leaves<const D: usize, const N: usize>(
    shapes: [[usize; D]; N],
    tracked: [bool; N],
    device: &Device,
) -> Vec<Tensor<D>> {
    let leaf = |(salt, (shape, tracked)): (usize, ([usize; D], bool))| {
        let leaf = numbers(shape, salt, device);
        if tracked { leaf.require_grad() } else { leaf }
    };
    shapes
        .into_iter()
        .zip(tracked)
        .enumerate()
        .map(leaf)
        .collect()
}

#[test]
fn attention_equals_the_composition_of_burns_operations() {
    let composed = |q: &Tensor<4>, k: &Tensor<4>, v: &Tensor<4>, bias: Option<&Tensor<4>>| {
        let scores = q.clone().matmul(k.clone().swap_dims(2, 3));
        let scores = match bias {
            Some(bias) => scores + bias.clone(),
            None => scores,
        };
        softmax(scores, 3).matmul(v.clone())
    };
    for device in devices() {
        // As many keys as queries and more, and values of their own width.
        for (queries, keys) in [(4, 4), (3, 5), (1, 1)] {
            let shapes = [[2, 3, queries, 6], [2, 3, keys, 6], [2, 3, keys, 2]];
            let hidden = numbers([2, 1, queries, keys], 9, &device).lower_equal_elem(0.5);
            let mask = Tensor::<4>::zeros([2, 1, queries, keys], &device);
            let mask = mask.mask_fill(hidden, -1e30);
            let shared = numbers([1, 3, 1, keys], 8, &device);
            for bias in [None, Some(&mask), Some(&shared)] {
                for tracked in [
                    [true, true, true],
                    [false, false, true],
                    [true, false, false],
                    [false, true, false],
                ] {
                    let parts = 1 + tracked.iter().filter(|&&tracked| tracked).count();
                    let leaves = leaves(shapes, tracked, &device);
                    let [q, k, v] = [0, 1, 2].map(|i| leaves[i].clone());
                    let expected = with_gradients(composed(&q, &k, &v, bias), &leaves, &[]);
                    let found = with_gradients(attend(q, k, v, bias), &leaves, &[]);
                    check(&format!("{queries} {keys}"), &found, &expected, parts);
                }
            }
        }
    }
}

#[test]
fn a_trainable_bias_gets_its_gradient() {
    for device in devices() {
        // Of its own for every score, and held for rows, heads and queries.
        for shape in [[2, 3, 4, 5], [1, 3, 4, 5], [2, 1, 4, 5], [1, 1, 1, 5]] {
            for tracked in [true, false] {
                let bias = [numbers(shape, 7, &device).require_grad()];
                let shapes = [[2, 3, 4, 6], [2, 3, 5, 6], [2, 3, 5, 6]];
                let mut leaves = leaves(shapes, [tracked; 3], &device);
                let [q, k, v] = [0, 1, 2].map(|i| leaves[i].clone());
                leaves.extend(bias.clone());
                let scores = q.clone().matmul(k.clone().swap_dims(2, 3)) + bias[0].clone();
                let composed = softmax(scores, 3).matmul(v.clone());
                let expected = with_gradients(composed, &leaves, &[]);
                let found = with_gradients(attend(q, k, v, Some(&bias[0])), &leaves, &[]);
                let parts = if tracked { 5 } else { 2 };
                check(&format!("bias {shape:?}"), &found, &expected, parts);
            }
        }
    }
}

/// With no, one and two following layers, which recompute the output.
#[test]
fn a_gate_equals_its_composition_for_the_following_layers() {
    for device in devices() {
        let weights = [11, 12].map(|salt| numbers([6, 3], salt, &device).require_grad());
        let through = |gated: Tensor<3>, behind: usize| {
            let layers = weights.iter().take(behind);
            layers
                .map(|weight| linear(gated.clone(), weight.clone(), None))
                .reduce(|sum, y| sum + y)
                .unwrap_or(gated)
        };
        for behind in 0..3 {
            for tracked in [[true, true], [true, false], [false, true], [false, false]] {
                let leaves = leaves([[2, 4, 6]; 2], tracked, &device);
                let run =
                    |gated: Tensor<3>| with_gradients(through(gated, behind), &leaves, &weights);
                let parts = 1 + behind + tracked.iter().filter(|&&tracked| tracked).count();
                if parts == 1 {
                    continue;
                }
                let [gate, up] = [leaves[0].clone(), leaves[1].clone()];
                let expected = run(silu(gate.clone()) * up.clone());
                let found = run(silu_gate(gate.clone(), up.clone()));
                check(
                    &format!("silu {behind} {tracked:?}"),
                    &found,
                    &expected,
                    parts,
                );
                let expected = run(gelu_approximate(gate.clone()) * up.clone());
                let found = run(gelu_gate(gate, up));
                check(
                    &format!("gelu {behind} {tracked:?}"),
                    &found,
                    &expected,
                    parts,
                );
            }
        }
    }
}

#[test]
fn a_norm_equals_its_composition_for_the_following_layers() {
    for device in devices() {
        let norm = RmsNormConfig::new(6).with_epsilon(1e-3).init(&device);
        let gamma = numbers([6], 4, &device);
        let frozen = RmsNorm {
            gamma: burn::module::Param::from_tensor(gamma).set_require_grad(false),
            ..norm
        };
        let weights = [11, 12].map(|salt| numbers([6, 3], salt, &device).require_grad());
        for tracked in [true, false] {
            let leaves = leaves([[2, 4, 6]], [tracked], &device);
            let run = |apply: &dyn Fn(Tensor<3>) -> Tensor<3>| {
                // The input comes out of another operation, as in a model.
                let x = leaves[0].clone() + leaves[0].clone() * 0.5;
                let normed = apply(x);
                let [first, second] = &weights;
                let y = linear(normed.clone(), first.clone(), None)
                    * linear(normed, second.clone(), None);
                with_gradients(y, &leaves, &weights)
            };
            let expected = run(&|x| frozen.forward(x));
            let found = run(&|x| rms_norm(&frozen, x));
            check(
                &format!("{tracked}"),
                &found,
                &expected,
                3 + usize::from(tracked),
            );
            let one_more = RmsNorm {
                gamma: burn::module::Param::from_tensor(frozen.gamma.val() + 1.0)
                    .set_require_grad(false),
                ..frozen.clone()
            };
            let expected = run(&|x| one_more.forward(x));
            let found = run(&|x| rms_norm_one_plus(&frozen, x));
            let what = format!("one more, {tracked}");
            check(&what, &found, &expected, 3 + usize::from(tracked));
        }
        let trained = RmsNorm {
            gamma: frozen.gamma.clone().set_require_grad(true),
            ..frozen
        };
        let x = numbers([1, 2, 6], 0, &device).require_grad();
        let gamma = |y: Tensor<3>| {
            let gradients = (y * numbers([1, 2, 6], 5, &device)).sum().backward();
            values(trained.gamma.val().grad(&gradients).unwrap())
        };
        let expected = [gamma(trained.forward(x.clone()))];
        check(
            "gamma",
            &[gamma(rms_norm(&trained, x.clone()))],
            &expected,
            1,
        );
        // The gradient of the factor does not depend on the factor.
        let found = [gamma(rms_norm_one_plus(&trained, x))];
        check("gamma, one more", &found, &expected, 1);
    }
}

#[test]
fn a_rotation_equals_its_composition() {
    let composed = |x: Tensor<4>, cos: &Tensor<4>, sin: &Tensor<4>| {
        let half = x.dims()[3] / 2;
        let (first, second) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
        let product = |a: &Tensor<4>, b: &Tensor<4>| a.clone() * b.clone();
        let rotated_first = product(&first, cos) - product(&second, sin);
        let rotated_second = product(&second, cos) + product(&first, sin);
        Tensor::cat(vec![rotated_first, rotated_second], 3)
    };
    for device in devices() {
        for rows in [1, 2] {
            let [cos, sin] = [7, 8].map(|salt| numbers([rows, 1, 5, 3], salt, &device));
            // The heads of a projection are a view of it, with other strides.
            let leaves = leaves([[2, 5, 3, 6]], [true], &device);
            let heads = || leaves[0].clone().swap_dims(1, 2);
            let expected = with_gradients(composed(heads(), &cos, &sin), &leaves, &[]);
            let found = with_gradients(rotate(heads(), &cos, &sin), &leaves, &[]);
            check(&format!("{rows} rows"), &found, &expected, 2);
        }
    }
}

#[test]
fn a_loss_equals_its_composition() {
    let targets = [3, 0, 6, 6];
    let ids = |device: &Device| {
        let data = TensorData::new(targets.map(|id| id as i32).to_vec(), [4, 1]);
        Tensor::<2, Int>::from_data(data, device)
    };
    for device in devices() {
        let leaves = leaves([[4, 7]], [true], &device);
        // A loss is scaled, and a sum of several pieces.
        let run = |loss: &dyn Fn(Tensor<2>) -> Tensor<1>| {
            let y = loss(leaves[0].clone()) * 0.3 + loss(leaves[0].clone() * 2.0);
            with_gradients(y, &leaves, &[])
        };
        let expected = run(&|x| log_softmax(x, 1).gather(1, ids(&device)).sum().neg());
        let found = run(&|x| negative_log_likelihood(x, &targets));
        check("loss", &found, &expected, 2);
    }
}

#[test]
fn results_without_autodiff_are_the_same() {
    let tracked = Device::flex().autodiff();
    let plain = Device::flex();
    let results = |device: &Device| {
        let heads = |salt| numbers([2, 3, 4, 6], salt, device);
        let rows = |salt| numbers([2, 4, 6], salt, device);
        let [cos, sin] = [7, 8].map(|salt| numbers([1, 1, 4, 3], salt, device));
        let norm = RmsNormConfig::new(6).init(device).no_grad();
        let logits = numbers([2, 5], 3, device);
        [
            values(attend(heads(0), heads(1), heads(2), None)),
            values(silu_gate(rows(0), rows(1))),
            values(rms_norm(&norm, rows(0))),
            values(rotate(heads(0), &cos, &sin)),
            values(negative_log_likelihood(logits, &[1, 4])),
        ]
    };
    assert_eq!(results(&tracked), results(&plain));
}
