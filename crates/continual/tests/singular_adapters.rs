//! MiLoRA and PiSSA: the adapter starts as the smallest or largest singular triplets of the weight, the rest is frozen.

use burn::module::{LoraAdapter, Module};
use continual::methods::{AdapterConfig, SingularLora, SingularStart};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method, MethodInputs, MethodRegistry};
use lm::Decoder;
use proptest::prelude::*;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::adapters::*;
use crate::common::*;

const STARTS: [SingularStart; 2] = [SingularStart::Smallest, SingularStart::Largest];

fn method(adapter_rank: usize, alpha: f64, start: SingularStart) -> SingularLora {
    let config = AdapterConfig {
        targets: targets(),
        adapter_rank,
        alpha,
    };
    SingularLora::new(config, start).unwrap()
}

/// Singular values of a matrix, descending, by rotations that make its columns orthogonal (one-sided Jacobi).
fn singular_values(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns;
    // Columns as vectors, of the side with fewer of them.
    let values = match rows < columns {
        true => values.to_vec(),
        false => transposed(values, columns),
    };
    let mut vectors: Vec<Vec<f64>> = values
        .chunks(rows.max(columns))
        .map(<[f64]>::to_vec)
        .collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..60 {
        for i in 0..vectors.len() {
            for j in i + 1..vectors.len() {
                let (a, b) = (vectors[i].clone(), vectors[j].clone());
                let angle = 0.5 * (2.0 * dot(&a, &b)).atan2(dot(&a, &a) - dot(&b, &b));
                let (sin, cos) = angle.sin_cos();
                for (row, (a, b)) in a.iter().zip(&b).enumerate() {
                    vectors[i][row] = cos * a + sin * b;
                    vectors[j][row] = cos * b - sin * a;
                }
            }
        }
    }
    let mut lengths: Vec<f64> = vectors.iter().map(|v| dot(v, v).sqrt()).collect();
    lengths.sort_by(|a, b| b.total_cmp(a));
    lengths
}

#[test]
fn the_reference_finds_known_singular_values() {
    // Orthogonal columns of lengths 5, 2 and 0, turned by a rotation from the right.
    let (sin, cos) = 0.7_f64.sin_cos();
    let turned = [3.0 * cos, 4.0 * cos, 2.0, 3.0 * sin, 4.0 * sin, 0.0];
    let found = singular_values(&[turned[0], turned[3], turned[1], turned[4]], 2);
    assert!(
        (found[0] - 5.0).abs() < 1e-14 && found[1].abs() < 1e-14,
        "{found:?}"
    );
    let found = singular_values(&[5.0, 0.0, 0.0, 0.0, -2.0, 0.0], 3);
    assert_eq!(found, [5.0, 2.0]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn an_adapter_is_its_triplets_and_the_rest_is_the_weight_without_them(
        d_in in 1_usize..14,
        d_out in 1_usize..14,
        rank in 1_usize..14,
        scale in 0.25_f64..4.0,
        seed in 0_u64..1000,
    ) {
        let rank = rank.min(d_in).min(d_out);
        for start in STARTS {
            for (backend, device) in backends() {
                let case = format!("{backend} {start:?} {d_in}x{d_out} rank {rank}");
                let mut random = ChaCha8Rng::seed_from_u64(seed);
                let model = Pair::draw([d_in, d_out], &mut random, &device.autodiff());
                let before = [&model.q_proj, &model.v_proj].map(|layer| host(&layer.weight.val()));
                let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
                let optimizer = TrainConfig::default().optimizer();
                let mut method = method(rank, scale * rank as f64, start);
                let begun = method.begin_task(model, context(&tasks, 0, &clock, &optimizer));
                let (model, _) = begun.unwrap();
                for (layer, weight) in [&model.q_proj, &model.v_proj].into_iter().zip(before) {
                    let adapter = layer.weight.reparameterization::<LoraAdapter>().unwrap();
                    let (a, b) = (host(&adapter.a.val()), host(&adapter.b.val()));
                    let all = singular_values(&weight, d_out);
                    let chosen = match start {
                        SingularStart::Smallest => &all[all.len() - rank..],
                        SingularStart::Largest => &all[..rank],
                    };
                    // Both factors have orthogonal directions, of the lengths of the chosen values.
                    let gram = |side: Vec<f64>| side.into_iter().map(|v| v * scale).collect::<Vec<f64>>();
                    let left = gram(product(&transposed(&a, rank), rank, &a, rank));
                    let right = gram(product(&b, rank, &transposed(&b, d_out), rank));
                    for i in 0..rank {
                        for j in 0..rank {
                            let expected = if i == j { chosen[i] } else { 0.0 };
                            for found in [left[i * rank + j], right[i * rank + j]] {
                                // Factors rounded to f32, in sums of at most 13 products of numbers up to 4.
                                let error = (found - expected).abs();
                                prop_assert!(error < 4e-6, "{}: {} {}", case, found, expected);
                            }
                        }
                    }
                    // What is frozen has the other singular values, and zeros in place of these.
                    let rest = host(&layer.weight.base());
                    let mut others = all.clone();
                    for value in chosen {
                        let at = others.iter().position(|other| other == value).unwrap();
                        others[at] = 0.0;
                    }
                    others.sort_by(|a, b| b.total_cmp(a));
                    for (found, expected) in singular_values(&rest, d_out).iter().zip(&others) {
                        // A matrix rounded to f32: its singular values move by at most the norm of the rounding.
                        prop_assert!((found - expected).abs() < 4e-6, "{}: {} {}", case, found, expected);
                    }
                    // Together they are the weight: one rounding when the part is subtracted, one when it is added.
                    let whole = host(&layer.weight.val());
                    for ((whole, weight), rest) in whole.iter().zip(&weight).zip(&rest) {
                        let rounding = (rest.abs() + weight.abs()) * 2.0_f64.powi(-24);
                        prop_assert!((whole - weight).abs() <= 1.001 * rounding, "{}: {} {}", case, whole, weight);
                    }
                }
            }
        }
    }
}

#[test]
fn the_next_task_goes_on_with_the_same_adapter() {
    for (backend, device) in backends() {
        for start in STARTS {
            let mut random = ChaCha8Rng::seed_from_u64(3);
            let model = Pair::draw([7, 5], &mut random, &device.clone().autodiff());
            let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
            let optimizer = TrainConfig::default().optimizer();
            let at = |index| context(&tasks, index, &clock, &optimizer);
            let mut method = method(2, 2.0, start);
            let (model, _) = method.begin_task(model, at(0)).unwrap();
            let learned: Vec<Vec<f32>> = [14, 10, 14, 10].map(|n| draw(n, &mut random)).to_vec();
            let model = with_trained(model, &learned);
            let (model, diagnostics) = method.end_task(model, at(0)).unwrap();
            assert_eq!(diagnostics.trainable_parameters, 48);
            assert!(
                model
                    .q_proj
                    .weight
                    .reparameterization::<LoraAdapter>()
                    .is_none()
            );
            let (model, _) = method.begin_task(model, at(1)).unwrap();
            let found: Vec<Vec<f64>> = trained(&model).iter().map(host).collect();
            let learned: Vec<Vec<f64>> = learned.iter().map(|values| wide(values)).collect();
            assert_eq!(found, learned, "{backend} {start:?}");
        }
    }
}

#[test]
fn adapters_that_are_wider_than_their_layer_are_refused_before_and_at_the_start() {
    let (_, device) = backends().remove(1);
    let registry = MethodRegistry::<Decoder>::builtin();
    let decoder = model(&device);
    let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
    let optimizer = TrainConfig::default().optimizer();
    for name in [
        "lora",
        "lora-decay",
        "inc-lora",
        "o-lora",
        "seq-svd",
        "milora",
        "pissa",
    ] {
        let kind = registry.get(name).unwrap();
        let wide = toml::from_str("adapter_rank = 17").unwrap();
        let refused = |error: ContinualError| match error {
            ContinualError::AdapterRank { layer, shape, rank } => {
                assert!(layer.ends_with("q_proj.weight"), "{name}: {layer}");
                assert_eq!((shape, rank), ([16, 16], 17), "{name}");
            }
            other => panic!("{name}: {other}"),
        };
        refused(kind.memory(&wide, &decoder).unwrap_err());
        let mut built = kind.build(&wide, MethodInputs::default()).unwrap();
        let at = context(&tasks, 0, &clock, &optimizer);
        let begun = built.begin_task(decoder.clone().unfreeze(), at);
        refused(begun.map(|_| ()).unwrap_err());

        // As wide as the layer is possible.
        let full = toml::from_str("adapter_rank = 16").unwrap();
        let mut built = kind.build(&full, MethodInputs::default()).unwrap();
        let at = context(&tasks, 0, &clock, &optimizer);
        built.begin_task(decoder.clone().unfreeze(), at).unwrap();
    }
    // Twice the adapters: the change since the base is the difference of two products.
    let full = toml::from_str("adapter_rank = 16").unwrap();
    let needs = registry.get("milora").unwrap().memory(&full, &decoder);
    assert_eq!(needs.unwrap().attached, 2 * 4 * (2 * 16 * 32));
}
