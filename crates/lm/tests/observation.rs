//! Observers see every layer and real tokens only, however rows are batched.

use std::collections::BTreeMap;

use crate::common::families::families;
use crate::common::{backends, configs, model, rows};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use lm::{Decoder, Example, LanguageModel, Observer};

/// For each layer: number of tokens, `xᵀ x` and the sum of the outputs.
#[derive(Default)]
struct Sums(BTreeMap<u64, (usize, Vec<f64>, Vec<f64>)>, usize);

impl Observer for Sums {
    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        self.1 += 1;
        let [tokens, _] = input.dims();
        let moment = input.clone().transpose().matmul(input.clone()).into_data();
        for (id, output) in outputs {
            let sum = output.clone().sum_dim(0).into_data();
            let entry = self.0.entry(id.val()).or_default();
            entry.0 += tokens;
            add(&mut entry.1, moment.iter::<f64>());
            add(&mut entry.2, sum.iter::<f64>());
        }
    }
}

fn add(sum: &mut Vec<f64>, values: impl Iterator<Item = f64>) {
    for (index, value) in values.enumerate() {
        match sum.get_mut(index) {
            Some(sum) => *sum += value,
            None => sum.push(value),
        }
    }
}

/// Ids of all matrices of the blocks, in the model's order.
fn projections(model: &Decoder) -> Vec<u64> {
    #[derive(Default)]
    struct Ids(Vec<String>, Vec<u64>);
    impl ModuleVisitor for Ids {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if self.0.join(".").contains("_proj.weight") {
                self.1.push(param.id.val());
            }
        }
    }
    let mut ids = Ids::default();
    model.visit(&mut ids);
    ids.1
}

fn examples() -> Vec<Example> {
    rows()
        .into_iter()
        .map(|row| {
            let (prompt, answer) = row.split_at(row.len() / 2);
            Example::new(prompt.to_vec(), answer.to_vec())
        })
        .collect()
}

#[test]
fn observations_do_not_depend_on_padding_and_batches() {
    for (backend, device) in backends() {
        for (shape, config) in [configs(), families()].concat() {
            let model = model(&config, 8, &device);
            let examples = examples();
            let lengths: Vec<usize> = examples.iter().map(Example::len).collect();
            assert!(
                lengths.iter().min() < lengths.iter().max(),
                "no padding to see"
            );
            let (mut together, mut alone) = (Sums::default(), Sums::default());
            model.observe(&examples, &mut together);
            for example in &examples {
                model.observe(std::slice::from_ref(example), &mut alone);
            }
            let mut expected = projections(&model);
            expected.sort_unstable();
            let seen: Vec<u64> = together.0.keys().copied().collect();
            assert_eq!(
                seen, expected,
                "{backend} {shape}: all projections, once each"
            );
            // Attention's inputs, its output, and both halves of the feed-forward network.
            assert_eq!(together.1, 4 * model.parts().layers.len());
            for (id, (tokens, moment, outputs)) in &together.0 {
                let (own_tokens, own_moment, own_outputs) = &alone.0[id];
                assert_eq!(*tokens, lengths.iter().sum::<usize>());
                assert_eq!(tokens, own_tokens);
                let size = moment.iter().fold(1e-3_f64, |a, v| a.max(v.abs()));
                let pairs = moment.iter().zip(own_moment);
                for (a, b) in pairs.chain(outputs.iter().zip(own_outputs)) {
                    // Rounding of f32 sums over some dozen tokens in another order, through all blocks.
                    assert!(
                        (a - b).abs() < 1e-5 * size.max(b.abs()),
                        "{backend} {shape}: {a} {b}"
                    );
                }
            }
        }
    }
}

#[test]
fn observed_outputs_do_not_include_the_bias() {
    struct Check<'a>(&'a BTreeMap<u64, Vec<f64>>, usize);
    impl Observer for Check<'_> {
        fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
            for (id, output) in outputs {
                self.1 += 1;
                let [_, d_in] = input.dims();
                let [tokens, d_out] = output.dims();
                let weight = &self.0[&id.val()];
                let x: Vec<f64> = input.clone().into_data().iter::<f64>().collect();
                let y: Vec<f64> = output.clone().into_data().iter::<f64>().collect();
                for token in 0..tokens {
                    for column in 0..d_out {
                        let expected: f64 = (0..d_in)
                            .map(|row| x[token * d_in + row] * weight[row * d_out + column])
                            .sum();
                        let found = y[token * d_out + column];
                        // The bias is added and subtracted again in f32.
                        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
                    }
                }
            }
        }
    }
    #[derive(Default)]
    struct Weights(BTreeMap<u64, Vec<f64>>);
    impl ModuleVisitor for Weights {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().into_data().iter::<f64>().collect();
            self.0.insert(param.id.val(), values);
        }
    }
    let (_, device) = backends().remove(1);
    let (_, mut config) = configs().remove(0);
    config["attention_bias"] = true.into();
    config["mlp_bias"] = true.into();
    let model = model(&config, 9, &device);
    let mut weights = Weights::default();
    model.visit(&mut weights);
    let mut check = Check(&weights.0, 0);
    model.observe(&examples(), &mut check);
    assert_eq!(check.1, projections(&model).len());
}
