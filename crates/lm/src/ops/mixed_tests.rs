//! Operations on numbers in bf16 against the same in f32. Inputs are numbers that bf16 has, and so is the gradient of the
//! result: what differs is what the operation itself rounds.

#![allow(clippy::unwrap_used)]

use burn::module::Module;
use burn::nn::RmsNormConfig;
use burn::tensor::{DType, Device, Distribution, Tensor};

use super::{attend, gelu_gate, in_type, linear, rms_norm, rotate, silu_gate};

/// Largest relative error of one rounding to bf16, and a little for the order of sums in f32.
const ROUNDING: f64 = 1.01 / 256.0;

fn device() -> Device {
    Device::flex().autodiff()
}

/// Numbers that bf16 has, from a normal distribution.
fn drawn<const D: usize>(shape: [usize; D], deviation: f64) -> Tensor<D> {
    let x = Tensor::random(shape, Distribution::Normal(0.0, deviation), &Device::flex());
    in_type(x, DType::BF16).cast(DType::F32).autodiff()
}

fn values<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

/// The result in f32, and the gradients of both leaves, which are in f32.
fn derived<const D: usize, const E: usize>(
    leaves: (&Tensor<D>, &Tensor<E>),
    towards: &Tensor<D>,
    operation: impl Fn(Tensor<D>, Tensor<E>) -> Tensor<D>,
) -> [Vec<f64>; 3] {
    let first = leaves.0.clone().require_grad();
    let second = leaves.1.clone().require_grad();
    let y = in_type(operation(first.clone(), second.clone()), DType::F32);
    let mut gradients = (y.clone() * towards.clone()).sum().backward();
    let of_first = first.grad_remove(&mut gradients).unwrap();
    assert_eq!(of_first.dtype(), DType::F32);
    let of_second = second
        .grad_remove(&mut gradients)
        .map_or_else(Vec::new, values);
    [values(y), values(of_first), of_second]
}

/// Every number is within a few roundings of the one in f32: of itself, or of the largest one.
fn close(
    what: &str,
    full: &[Vec<f64>; 3],
    mixed: &[Vec<f64>; 3],
    of_largest: bool,
    roundings: f64,
) {
    let mut apart = 0.0_f64;
    for (part, (full, mixed)) in full.iter().zip(mixed).enumerate() {
        assert_eq!(full.len(), mixed.len(), "{what}");
        let largest = full
            .iter()
            .fold(0.0_f64, |most, value| most.max(value.abs()));
        for (full, mixed) in full.iter().zip(mixed) {
            let size = if of_largest { largest } else { full.abs() };
            let allowed = roundings * ROUNDING * size + f64::from(f32::EPSILON) * largest;
            let difference = (full - mixed).abs();
            assert!(difference <= allowed, "{what} {part}: {mixed} for {full}");
            apart = apart.max(difference);
        }
    }
    assert!(apart > 0.0, "{what}: nothing is in bf16");
}

fn narrow<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    in_type(x, DType::BF16)
}

#[test]
fn gates_round_once_however_large_the_gate() {
    let shape = [2, 40, 16];
    for deviation in [0.5, 4.0, 12.0] {
        let (gate, up, towards) = (
            drawn(shape, deviation),
            drawn(shape, 1.0),
            drawn(shape, 1.0),
        );
        for (what, operation) in [
            ("silu", silu_gate as fn(Tensor<3>, Tensor<3>) -> Tensor<3>),
            ("gelu", gelu_gate),
        ] {
            let full = derived((&gate, &up), &towards, operation);
            let mixed = derived((&gate, &up), &towards, |gate, up| {
                operation(narrow(gate), narrow(up))
            });
            close(what, &full, &mixed, false, 1.0);
        }
    }
}

#[test]
fn rotations_round_once() {
    let (x, towards) = (drawn([2, 3, 5, 8], 1.0), drawn([2, 3, 5, 8], 1.0));
    let angles = Tensor::<4>::random([1, 1, 5, 4], Distribution::Default, &device());
    let (cos, sin) = (angles.clone().cos(), angles.sin());
    let unused = drawn([1], 1.0);
    let full = derived((&x, &unused), &towards, |x, _| rotate(x, &cos, &sin));
    let mixed = derived((&x, &unused), &towards, |x, _| {
        rotate(narrow(x), &cos, &sin)
    });
    close("rotation", &full, &mixed, false, 1.0);
}

#[test]
fn a_norm_of_numbers_in_bf16_is_in_f32_and_its_gradient_rounds_once() {
    let norm = RmsNormConfig::new(16).init(&device()).no_grad();
    let (x, towards) = (drawn([2, 5, 16], 3.0), drawn([2, 5, 16], 1.0));
    let unused = drawn([1], 1.0);
    let full = derived((&x, &unused), &towards, |x, _| rms_norm(&norm, x));
    let mixed = derived((&x, &unused), &towards, |x, _| {
        let y = rms_norm(&norm, narrow(x));
        assert_eq!(y.dtype(), DType::F32);
        y
    });
    let relative = |(full, mixed): (&f64, &f64)| (full - mixed).abs() / full.abs().max(1e-3);
    assert!(
        full[0]
            .iter()
            .zip(&mixed[0])
            .map(relative)
            .all(|r| r < 1e-5)
    );
    close("norm", &full, &mixed, false, 1.0);
}

#[test]
fn products_round_once_and_their_gradients_are_in_the_types_of_the_factors() {
    let (x, weight, towards) = (
        drawn([2, 5, 16], 1.0),
        drawn([16, 16], 0.2),
        drawn([2, 5, 16], 1.0),
    );
    let product = |dtype| {
        derived((&x, &weight), &towards, move |x, weight| {
            linear(x, weight, dtype)
        })
    };
    // Where terms cancel, the order of the sum in f32 shows.
    close(
        "product",
        &product(DType::F32),
        &product(DType::BF16),
        false,
        1.1,
    );
}

#[test]
fn an_input_of_several_products_sums_its_gradients_in_f32() {
    let (x, towards) = (drawn([1, 64, 16], 1.0), drawn([1, 64, 16], 1.0));
    let weight = drawn([16, 16], 0.2);
    let parts = |dtype, count: usize| {
        derived((&x, &weight), &towards, move |x, weight| {
            let parts = (0..count).map(|_| linear(x.clone(), weight.clone(), dtype));
            let parts = parts.map(|part| in_type(part, DType::F32));
            parts.reduce(|sum, part| sum + part).unwrap()
        })
    };
    // Equal parts: their sum in bf16 would be off by up to a half of one part in 64, in f32 by nothing.
    let [_, one, _] = parts(DType::BF16, 1);
    let [_, many, _] = parts(DType::BF16, 33);
    for (one, many) in one.iter().zip(&many) {
        assert!(
            (33.0 * one - many).abs() <= 1e-5 * many.abs(),
            "{one} {many}"
        );
    }
}

#[test]
fn attention_rounds_its_products_and_takes_the_softmax_in_f32() {
    let shape = [2, 3, 7, 8];
    let (query, key, towards) = (drawn(shape, 1.0), drawn(shape, 1.0), drawn(shape, 1.0));
    let value = drawn(shape, 1.0);
    let bias = Tensor::<4>::random([1, 3, 7, 7], Distribution::Default, &device());
    let full = derived((&query, &key), &towards, |query, key| {
        attend(query, key, value.clone(), Some(&bias))
    });
    let mixed = derived((&query, &key), &towards, |query, key| {
        attend(
            narrow(query),
            narrow(key),
            narrow(value.clone()),
            Some(&bias),
        )
    });
    // Scores of up to ten are rounded, then probabilities, contexts, and the same backwards.
    close("attention", &full, &mixed, true, 8.0);
}
