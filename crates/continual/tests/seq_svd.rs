//! SeqSVD: an adapter of three factors that starts without effect, and the penalty that keeps the outer ones near
//! orthonormal ones.

use burn::module::Module;
use burn::optim::GradientsParams;
use continual::methods::{SeqSvdConfig, SeqSvdMethod};
use continual::trainer::TrainConfig;
use continual::{Clock, Method};
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::adapters::*;
use crate::common::*;

fn config(adapter_rank: usize, orthogonality: f64) -> SeqSvdConfig {
    SeqSvdConfig {
        targets: targets(),
        adapter_rank,
        alpha: 2.0 * adapter_rank as f64,
        orthogonality,
    }
}

/// `‖M - I‖_F²` of a square matrix.
fn distance_from_identity(matrix: &[f64], size: usize) -> f64 {
    let entries = matrix.iter().enumerate();
    entries
        .map(|(index, value)| value - f64::from(u8::from(index % (size + 1) == 0)))
        .map(|difference| difference * difference)
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn change_and_penalty_are_their_formulas(
        d_in in 1_usize..20,
        d_out in 1_usize..20,
        rank in 1_usize..5,
        seed in 0_u64..1000,
    ) {
        // An adapter is no wider than its layer.
        let rank = rank.min(d_in).min(d_out);
        for (backend, device) in backends() {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let device = device.autodiff();
            let model = Pair::draw([d_in, d_out], &mut random, &device);
            let before = [&model.q_proj, &model.v_proj].map(|layer| host(&layer.weight.val()));
            let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
            let optimizer = TrainConfig::default().optimizer();
            let mut method = SeqSvdMethod::new(&config(rank, 0.5), 4).unwrap();
            let begun = method.begin_task(model, context(&tasks, 0, &clock, &optimizer));
            let (model, _) = begun.unwrap();
            // The singular values start at zero, and so does the change.
            for (layer, before) in [&model.q_proj, &model.v_proj].into_iter().zip(&before) {
                prop_assert_eq!(&host(&layer.weight.val()), before);
            }
            let shapes: Vec<[usize; 2]> = trained(&model).iter().map(|factor| factor.dims()).collect();
            let of_layer = [[d_in, rank], [1, rank], [rank, d_out]];
            prop_assert_eq!(shapes, [of_layer, of_layer].concat());

            let values: Vec<Vec<f32>> = [of_layer, of_layer].concat().into_iter()
                .map(|[rows, columns]| draw(rows * columns, &mut random)).collect();
            let model = with_trained(model, &values);
            let found = f64::from(method.penalty(&model, 1).unwrap().into_scalar::<f32>());
            let mut expected = 0.0;
            for (layer, (factors, before)) in [&model.q_proj, &model.v_proj].into_iter()
                .zip(values.chunks(3).zip(&before))
            {
                let [p, lambda, q] = [0, 1, 2].map(|factor| wide(&factors[factor]));
                expected += distance_from_identity(&product(&transposed(&p, rank), rank, &p, rank), rank);
                expected += distance_from_identity(&product(&q, rank, &transposed(&q, d_out), rank), rank);
                let scaled: Vec<f64> = p.iter().enumerate().map(|(index, p)| p * lambda[index % rank]).collect();
                let change = product(&scaled, d_in, &q, d_out);
                for ((after, before), change) in host(&layer.weight.val()).iter().zip(before).zip(change) {
                    // Up to four products of numbers below 1, times 2, rounded to f32.
                    prop_assert!((after - before - 2.0 * change).abs() < 2e-6, "{}", backend);
                }
            }
            // Sums of squares of sums of up to 19 products, each rounded to 2^-24.
            prop_assert!((found - 0.5 * expected).abs() < 1e-5 * (1.0 + expected), "{}: {} {}", backend, found, expected);
        }
    }
}

#[test]
fn the_penalty_makes_the_outer_factors_orthonormal() {
    for (backend, device) in backends() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let model = Pair::draw([16, 12], &mut random, &device.autodiff());
        let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
        let optimizer = TrainConfig::default().optimizer();
        let mut method = SeqSvdMethod::new(&config(3, 0.1), 4).unwrap();
        let begun = method.begin_task(model, context(&tasks, 0, &clock, &optimizer));
        let (mut model, mut optimizer) = begun.unwrap();
        // Drawn with a deviation of 0.02: 336 numbers of this law deviate by a tenth of it once in a hundred draws.
        let outer: Vec<f64> = [0, 2, 3, 5]
            .iter()
            .flat_map(|&at| host(&trained(&model)[at]))
            .collect();
        let deviation = (outer.iter().map(|v| v * v).sum::<f64>() / outer.len() as f64).sqrt();
        assert!(
            (0.017..0.023).contains(&deviation),
            "{backend}: {deviation}"
        );
        let penalty = |model: &Pair| method.penalty(model, 1).unwrap();
        let value = |model: &Pair| f64::from(penalty(model).into_scalar::<f32>());
        // Nearly zero factors: the squares of twelve identities' entries.
        assert!((value(&model) - 1.2).abs() < 0.02, "{backend}");
        for _ in 0..400 {
            let gradients = GradientsParams::from_grads(penalty(&model).backward(), &model);
            model = optimizer.step(5e-3, model, gradients);
        }
        assert!(value(&model) < 1e-3, "{backend}: {}", value(&model));
    }
}

#[test]
fn without_a_weight_there_is_no_penalty() {
    let (_, device) = backends().remove(1);
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let model = Pair::draw([4, 4], &mut random, &device.autodiff());
    let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
    let optimizer = TrainConfig::default().optimizer();
    let mut method = SeqSvdMethod::new(&config(2, 0.0), 4).unwrap();
    let begun = method.begin_task(model, context(&tasks, 0, &clock, &optimizer));
    let (model, _) = begun.unwrap();
    assert!(method.penalty(&model, 1).is_none());
    assert_eq!(model.num_params(), 2 * (16 + 4 * 2 + 2 + 2 * 4));
    let error = SeqSvdMethod::new(&config(2, -1.0), 4)
        .unwrap_err()
        .to_string();
    assert!(error.contains("orthogonality = -1"), "{error}");
}
