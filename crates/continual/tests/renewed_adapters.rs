//! A new adapter per task: IncLoRA, and the two factors that O-LoRA can keep apart.

use burn::tensor::Device;
use continual::checkpoint::Checkpoint;
use continual::methods::{AdapterConfig, LoraConfig, LoraMethod, OrthogonalityOn, PerTaskValue};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method, MethodRegistry};
use lm::Decoder;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::adapters::*;
use crate::common::*;

fn settings(orthogonality: f64, size: f64, on: OrthogonalityOn, rank: usize) -> LoraConfig {
    LoraConfig {
        targets: targets(),
        adapter_rank: rank,
        alpha: 6.0,
        orthogonality: PerTaskValue::All(orthogonality),
        size: PerTaskValue::All(size),
        orthogonality_on: on,
    }
}

fn incremental() -> LoraMethod {
    let config = AdapterConfig {
        targets: targets(),
        adapter_rank: 3,
        alpha: 6.0,
    };
    LoraMethod::incremental(config, 4).unwrap()
}

/// Bytes of a method's state.
fn state(method: &dyn Method<Decoder>) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = Vec::new();
    for part in method.state() {
        let path = folder.path().join(part.name());
        part.write_to(&path).unwrap();
        bytes.extend(std::fs::read(&path).unwrap());
    }
    bytes
}

#[test]
fn inc_lora_is_o_lora_without_penalties_and_keeps_nothing_of_a_task() {
    for (backend, device) in backends() {
        let config = config(TrainConfig::default());
        let (mut inc, steps) = (incremental(), config.clone());
        let (inc_outcome, inc_steps) = run(&device, &mut inc, &steps);
        for on in [OrthogonalityOn::A, OrthogonalityOn::B] {
            let mut o = LoraMethod::orthogonal(settings(0.0, 0.0, on, 3), 4).unwrap();
            let (outcome, steps) = run(&device, &mut o, &config);
            assert_eq!(steps, inc_steps, "{backend} {on:?}");
            assert_eq!(
                weights(&outcome.model),
                weights(&inc_outcome.model),
                "{backend} {on:?}"
            );
            // Two targets, two tasks, a factor of 16 x 3 numbers each.
            let kept = 2 * 2 * 16 * 3 * 4;
            assert!(state(&o).len() > kept, "{backend} {on:?}");
            assert!(state(&inc).len() < kept / 2, "{backend}");
        }
        assert!(Method::<Decoder>::adapter(&inc).is_none(), "it is merged");
    }
}

#[test]
fn a_task_ends_with_its_adapter_added_to_the_weight() {
    let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
    let optimizer = TrainConfig::default().optimizer();
    let at = |index| context(&tasks, index, &clock, &optimizer);
    let ([d_in, d_out], rank) = ([7, 5], 3);
    let mut random = ChaCha8Rng::seed_from_u64(8);
    for (backend, device) in backends() {
        for orthogonal in [false, true] {
            let mut method = match orthogonal {
                false => incremental(),
                true => {
                    let config = settings(0.5, 0.1, OrthogonalityOn::A, rank);
                    LoraMethod::orthogonal(config, 4).unwrap()
                }
            };
            let mut model = Pair::draw([d_in, d_out], &mut random, &device.clone().autodiff());
            let of = |model: &Pair| {
                [&model.q_proj, &model.v_proj].map(|layer| host(&layer.weight.val()))
            };
            let mut expected = of(&model);
            for index in 0..2 {
                (model, _) = method.begin_task(model, at(index)).unwrap();
                let sizes = [d_in * rank, rank * d_out, d_in * rank, rank * d_out];
                let factors = sizes.map(|size| draw(size, &mut random)).to_vec();
                (model, _) = method
                    .end_task(with_trained(model, &factors), at(index))
                    .unwrap();
                for (layer, weight) in expected.iter_mut().enumerate() {
                    let [a, b] = [0, 1].map(|factor| wide(&factors[2 * layer + factor]));
                    let added = product(&a, d_in, &b, d_out);
                    // `alpha` is 6, twice the rank.
                    for (weight, added) in weight.iter_mut().zip(added) {
                        *weight += 2.0 * added;
                    }
                }
                for (found, expected) in of(&model).iter().zip(&expected) {
                    for (found, expected) in found.iter().zip(expected) {
                        // Sums of four products below 2, rounded to 2^-24, of two tasks.
                        let error = (found - expected).abs();
                        assert!(
                            error < 2e-6,
                            "{backend} {orthogonal} {index}: {found} {expected}"
                        );
                    }
                }
            }
        }
    }
}

/// What O-LoRA adds to the loss, in f64: factors `[A, B]` of two layers, of an earlier task and of this one.
fn expected(
    earlier: &[Vec<f32>],
    now: &[Vec<f32>],
    rank: usize,
    [d_in, d_out]: [usize; 2],
    config: &LoraConfig,
) -> f64 {
    let absolute = |values: Vec<f64>| values.into_iter().map(f64::abs).sum::<f64>();
    let norm = |values: &[f32]| wide(values).iter().map(|v| v * v).sum::<f64>().sqrt();
    let layer = |layer: usize| {
        let (a, b) = (2 * layer, 2 * layer + 1);
        let overlap = match config.orthogonality_on {
            OrthogonalityOn::A => {
                assert_eq!(now[a].len(), d_in * rank);
                let earlier = transposed(&wide(&earlier[a]), rank);
                product(&earlier, rank, &wide(&now[a]), rank)
            }
            OrthogonalityOn::B => {
                let now = transposed(&wide(&now[b]), d_out);
                product(&wide(&earlier[b]), rank, &now, rank)
            }
        };
        config.orthogonality.at(1) * absolute(overlap)
            + config.size.at(1) * (norm(&now[a]) + norm(&now[b]))
    };
    layer(0) + layer(1)
}

/// The penalty of a second task, given the factors of both.
fn penalty(
    config: &LoraConfig,
    shape: [usize; 2],
    earlier: &[Vec<f32>],
    now: &[Vec<f32>],
    device: &Device,
) -> Option<f64> {
    let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
    let optimizer = TrainConfig::default().optimizer();
    let at = |index| context(&tasks, index, &clock, &optimizer);
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let model = Pair::draw(shape, &mut random, &device.clone().autodiff());
    let mut method = LoraMethod::orthogonal(config.clone(), 4).unwrap();
    let (model, _) = method.begin_task(model, at(0)).unwrap();
    let (model, _) = method
        .end_task(with_trained(model, earlier), at(0))
        .unwrap();
    let (model, _) = method.begin_task(model, at(1)).unwrap();
    let penalty = method.penalty(&with_trained(model, now), 1)?;
    Some(f64::from(penalty.into_scalar::<f32>()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn the_penalty_is_its_formula_on_either_factor(
        d_in in 1_usize..20,
        d_out in 1_usize..20,
        rank in 1_usize..5,
        seed in 0_u64..1000,
    ) {
        // An adapter is no wider than its layer.
        let rank = rank.min(d_in).min(d_out);
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut factors = || -> Vec<Vec<f32>> {
            let sizes = [d_in * rank, rank * d_out, d_in * rank, rank * d_out];
            sizes.map(|size| draw(size, &mut random)).to_vec()
        };
        let (earlier, now) = (factors(), factors());
        for on in [OrthogonalityOn::A, OrthogonalityOn::B] {
            let config = settings(0.5, 0.25, on, rank);
            for (backend, device) in backends() {
                let found = penalty(&config, [d_in, d_out], &earlier, &now, &device).unwrap();
                let expected = expected(&earlier, &now, rank, [d_in, d_out], &config);
                // Sums of at most 32 products of 20 terms below 1, each rounded to 2^-24.
                prop_assert!((found - expected).abs() < 1e-5 * (1.0 + expected), "{} {:?}: {} {}", backend, on, found, expected);
            }
        }
    }
}

#[test]
fn the_same_columns_cost_nothing_on_a_and_something_on_b() {
    // Rank 2, from 4 inputs to 3 outputs: other inputs, the same span of outputs.
    let first = vec![1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
    let second = vec![0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0];
    let columns = vec![1.0, 2.0, 0.0, 0.0, 1.0, 3.0];
    let earlier = [first.clone(), columns.clone(), first, columns.clone()];
    let now = [second.clone(), columns.clone(), second, columns];
    for (backend, device) in backends() {
        let on = |on| penalty(&settings(0.5, 0.0, on, 2), [4, 3], &earlier, &now, &device);
        assert_eq!(on(OrthogonalityOn::A), Some(0.0), "{backend}");
        // B Bᵀ = [[5, 2], [2, 10]] in both layers.
        assert_eq!(on(OrthogonalityOn::B), Some(0.5 * 2.0 * 19.0), "{backend}");
    }
}

#[test]
fn a_state_that_keeps_the_other_factor_is_refused() {
    let (_, device) = backends().remove(1);
    let config = config(TrainConfig::default());
    let of = |on| LoraMethod::orthogonal(settings(0.5, 0.0, on, 3), 4).unwrap();
    let mut method = of(OrthogonalityOn::A);
    run(&device, &mut method, &config);
    let folder = tempfile::tempdir().unwrap();
    for part in Method::<Decoder>::carried(&method) {
        let path = folder.path().join(part.name());
        part.write_to(&path).unwrap();
    }
    let saved = Checkpoint::of_parts(folder.path());
    let model = model(&device);
    of(OrthogonalityOn::A).take_over(&model, &saved).unwrap();
    let error = of(OrthogonalityOn::B)
        .take_over(&model, &saved)
        .unwrap_err();
    assert!(matches!(error, ContinualError::BrokenCheckpoint { .. }));
    assert!(error.to_string().contains(r#"set it to "a""#), "{error}");
    let error = incremental().take_over(&model, &saved).unwrap_err();
    assert!(error.to_string().contains("does not use"), "{error}");
}

#[test]
fn the_choice_of_the_factor_is_left_out_of_settings_where_it_is_the_default() {
    let registry = MethodRegistry::<Decoder>::builtin();
    let kind = registry.get("o-lora").unwrap();
    let settings = |text: &str| kind.settings(&toml::from_str(text).unwrap()).unwrap();
    // Results of earlier versions are known by their settings, which do not have it.
    for default in ["", r#"orthogonality_on = "a""#] {
        assert!(!settings(default).contains_key("orthogonality_on"));
        assert_eq!(kind.label(&settings(default)).unwrap(), "o-lora");
    }
    let on_b = settings(r#"orthogonality_on = "b""#);
    assert_eq!(on_b["orthogonality_on"].as_str(), Some("b"));
    assert_eq!(kind.label(&on_b).unwrap(), "o-lora on b");
    let unknown = toml::from_str(r#"orthogonality_on = "c""#).unwrap();
    let error = kind.settings(&unknown).unwrap_err().to_string();
    assert!(error.contains("methods.o-lora.orthogonality_on"), "{error}");
}
