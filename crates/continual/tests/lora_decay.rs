//! LoRA with weight decay: a step is that of AdamW, with a decay of both factors that the method sets.

use burn::module::LoraAdapter;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use continual::method::OptimizerName;
use continual::methods::{LoraConfig, LoraDecayConfig, LoraMethod, OrthogonalityOn, PerTaskValue};
use continual::trainer::TrainConfig;
use continual::{Clock, ContinualError, Method};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::common::adapters::*;
use crate::common::*;

const RATE: f64 = 0.02;
const EPSILON: f64 = 1e-8;

fn decay(weight_decay: f64) -> Result<LoraMethod, ContinualError> {
    let config = LoraDecayConfig {
        targets: targets(),
        adapter_rank: 2,
        alpha: 4.0,
        weight_decay,
    };
    LoraMethod::decayed(config, 4)
}

fn plain() -> LoraMethod {
    let config = LoraConfig {
        targets: targets(),
        adapter_rank: 2,
        alpha: 4.0,
        orthogonality: PerTaskValue::default(),
        size: PerTaskValue::default(),
        orthogonality_on: OrthogonalityOn::default(),
    };
    LoraMethod::sequential(config, 4).unwrap()
}

#[test]
fn a_step_is_the_formula_of_adamw_with_the_methods_own_decay() {
    for (backend, device) in backends() {
        // The decay of the run stands in the optimizer's settings; the method replaces it.
        for (mut method, of_run, expected) in [
            (decay(0.3).unwrap(), 0.9, 0.3),
            (decay(0.0).unwrap(), 0.9, 0.0),
            (plain(), 0.1, 0.1),
        ] {
            let mut random = ChaCha8Rng::seed_from_u64(2);
            let device = device.clone().autodiff();
            let model = Pair::draw([6, 5], &mut random, &device);
            let mut optimizer = TrainConfig::default().optimizer();
            (optimizer.weight_decay, optimizer.epsilon) = (of_run, EPSILON);
            let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
            let begun = method.begin_task(model, context(&tasks, 0, &clock, &optimizer));
            let (model, mut optimizer) = begun.unwrap();
            let values = [12, 10, 12, 10].map(|count| draw(count, &mut random));
            let model = with_trained(model, &values);

            let x = Tensor::<2>::from_data([[0.5, -1.0, 2.0, 0.25, 1.5, -0.75]], &device);
            let loss = model.q_proj.forward(x.clone()) * model.v_proj.forward(x);
            let gradients = loss.sum().backward();
            let before = trained(&model);
            let adapters = [&model.q_proj, &model.v_proj].map(|layer| {
                let adapter = layer.weight.reparameterization::<LoraAdapter>();
                adapter.unwrap().clone()
            });
            let factors = adapters.iter().flat_map(|adapter| [&adapter.a, &adapter.b]);
            let slopes: Vec<Vec<f64>> = factors
                .map(|factor| factor.val().grad(&gradients).unwrap())
                .map(|slope| slope.into_data().iter::<f64>().collect())
                .collect();
            let gradients = GradientsParams::from_grads(gradients, &model);
            let model = optimizer.step(RATE, model, gradients);

            let after = trained(&model);
            assert_eq!(after.len(), 4);
            for (factor, ((before, after), slopes)) in
                before.iter().zip(&after).zip(&slopes).enumerate()
            {
                let numbers = host(before).into_iter().zip(host(after)).zip(slopes);
                for ((before, after), slope) in numbers {
                    // The corrected moments of a first step are the gradient and its square.
                    let step = slope / (slope.abs() + EPSILON);
                    let moved = before * (1.0 - RATE * expected) - RATE * step;
                    // Numbers of at most 1, rounded to 2^-24 in each of half a dozen operations.
                    let error = (after - moved).abs();
                    assert!(
                        error < 5e-7,
                        "{backend} {expected}, factor {factor}: {error:e}"
                    );
                }
            }
        }
    }
}

#[test]
fn an_optimizer_whose_decay_is_a_part_of_the_gradient_is_refused() {
    let (_, device) = backends().remove(1);
    for (name, ..) in OptimizerName::ALL {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        let model = Pair::draw([6, 5], &mut random, &device.clone().autodiff());
        let mut optimizer = TrainConfig::default().optimizer();
        optimizer.name = name;
        let (tasks, clock) = (tasks(&tokenizer()), Clock::start());
        let context = context(&tasks, 0, &clock, &optimizer);
        let begun = decay(0.3).unwrap().begin_task(model, context);
        match name {
            OptimizerName::Adam | OptimizerName::Sgd => {
                let error = begun.map(|_| ()).unwrap_err().to_string();
                assert!(
                    error.contains(&format!("optimizer = {}", name.name())),
                    "{error}"
                );
                assert!(error.contains("adamw, lion or muon"), "{error}");
            }
            _ => assert!(begun.is_ok(), "{name:?}"),
        }
    }
}

#[test]
fn a_decay_out_of_range_is_refused() {
    for value in [-0.1, f64::NAN, f64::INFINITY] {
        let error = decay(value).unwrap_err().to_string();
        assert!(
            error.contains(&format!("weight_decay = {value}")),
            "{error}"
        );
    }
}
