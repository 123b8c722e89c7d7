//! The factored form against Hugging Face PEFT's OSF tuner.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, Param};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, GradientsParams, Optimizer, SgdConfig};
use burn::tensor::{Device, Tensor, TensorData, activation::tanh};
use integration_tests::{backends, fixture, json, tensors};
use osft::{Decay, Form, LayerLeak, Osft, OsftConfig};

#[derive(Module, Debug)]
struct Mlp {
    up: Linear,
    down: Linear,
}

type Tensors = BTreeMap<String, (Vec<usize>, Vec<f64>)>;

/// PyTorch holds `[out, in]`; values row by row of the transpose.
fn transposed(tensors: &Tensors, name: &str) -> ([usize; 2], Vec<f32>) {
    let (shape, values) = &tensors[name];
    let [d_out, d_in] = shape[..] else {
        panic!("{name} is no matrix");
    };
    let value = |i: usize, j: usize| values[j * d_in + i] as f32;
    let rows = (0..d_in).flat_map(|i| (0..d_out).map(move |j| (i, j)));
    ([d_in, d_out], rows.map(|(i, j)| value(i, j)).collect())
}

impl Mlp {
    fn start(tensors: &Tensors, device: &Device) -> Self {
        let layer = |name: &str| {
            let ([d_in, d_out], weight) = transposed(tensors, &format!("start.{name}.weight"));
            let bias: Vec<f32> = tensors[&format!("start.{name}.bias")]
                .1
                .iter()
                .map(|&v| v as f32)
                .collect();
            let mut linear = LinearConfig::new(d_in, d_out).init(device);
            linear.weight = Param::from_data(TensorData::new(weight, [d_in, d_out]), device);
            linear.bias = Some(Param::from_data(TensorData::new(bias, [d_out]), device));
            linear
        };
        Self {
            up: layer("up"),
            down: layer("down"),
        }
    }

    fn loss(&self, x: Tensor<2>, y: Tensor<2>) -> Tensor<1> {
        let out = self.down.forward(tanh(self.up.forward(x)));
        (out - y).square().mean()
    }
}

struct Trace {
    losses: Vec<f64>,
    model: Mlp,
    leaks: Vec<LayerLeak>,
}

fn train<O: Optimizer>(
    folder: &Path,
    form: Form,
    inner: O,
    learning_rate: f64,
    device: &Device,
) -> Trace {
    let tensors = tensors(&folder.join("expected.safetensors"));
    let device = device.clone().autodiff();
    let batch = |name: &str, step: usize| {
        let (shape, values) = &tensors[name];
        let [_, rows, columns] = shape[..] else {
            panic!("{name} is no batch");
        };
        let size = rows * columns;
        let values: Vec<f32> = values[step * size..(step + 1) * size]
            .iter()
            .map(|&v| v as f32)
            .collect();
        Tensor::<2>::from_data(TensorData::new(values, [rows, columns]), &device)
    };
    let model = Mlp::start(&tensors, &device);
    // 12 of min(24, 40) and 8 of min(40, 16); PEFT's decay pulls its factors to zero.
    let config = OsftConfig::new()
        .with_protected_share(0.5)
        .with_form(form)
        .with_decay(Decay::Weight);
    let osft = Osft::split(&model, &config).unwrap();
    assert_eq!(osft.layers()[0].k_in, 12);
    assert_eq!(osft.layers()[1].k_in, 8);
    let mut model = osft.prepare(model).unwrap();
    let mut optimizer = osft.optimizer(inner).unwrap();
    let mut losses = Vec::new();
    for step in 0..tensors["x"].0[0] {
        let loss = model.loss(batch("x", step), batch("y", step));
        losses.push(f64::from(loss.clone().into_scalar::<f32>()));
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        model = optimizer.step(learning_rate, model, osft.project(grads));
    }
    let model = osft.finish(model).unwrap();
    let leaks = osft.leaks(&model).unwrap().layers;
    Trace {
        losses,
        model,
        leaks,
    }
}

/// Losses within 1e-4 and weights within 1e-3, as two f32 implementations of the same arithmetic
/// drift apart over twenty steps; the leaks within `tolerance` of PEFT's own.
fn agrees(folder: &Path, run: &str, trace: &Trace, leak_agrees: impl Fn(f64, f64) -> bool) {
    let expected = &json(&folder.join("expected.json"))["runs"][run];
    let losses = expected["losses"].as_array().unwrap();
    assert_eq!(losses.len(), trace.losses.len());
    for (step, (found, expected)) in trace.losses.iter().zip(losses).enumerate() {
        let expected = expected.as_f64().unwrap();
        assert!(
            (found - expected).abs() < 1e-4,
            "{run}, step {step}: loss {found}, expected {expected}"
        );
    }
    let tensors = tensors(&folder.join("expected.safetensors"));
    let layers = [("up", &trace.model.up), ("down", &trace.model.down)];
    for ((name, layer), leak) in layers.into_iter().zip(&trace.leaks) {
        let (_, expected_weight) = transposed(&tensors, &format!("{run}.{name}.weight"));
        let found = layer.weight.val().inner().into_data();
        let largest = found
            .iter::<f64>()
            .zip(expected_weight)
            .map(|(found, expected)| (found - f64::from(expected)).abs())
            .fold(0.0, f64::max);
        assert!(largest < 1e-3, "{run} {name}: weights differ by {largest}");
        let sides = [
            ("input_side", leak.leak_in),
            ("output_side", leak.leak_out),
            ("both", leak.leak_both),
        ];
        for (side, found) in sides {
            let expected = expected["leak"][name][side].as_f64().unwrap();
            assert!(
                leak_agrees(found, expected),
                "{run} {name} {side}: leak {found}, expected {expected}"
            );
        }
    }
}

#[test]
fn parity_with_peft_over_twenty_steps_of_sgd() {
    let Some(folder) = fixture("osf-parity") else {
        return;
    };
    for (backend, device) in backends() {
        println!("{backend}");
        let inner = SgdConfig::new().build();
        let trace = train(&folder, Form::Factored, inner, 0.1, &device);
        // SGD's steps are sums of projected gradients: both implementations leak rounding alone.
        agrees(&folder, "sgd", &trace, |found, expected| {
            found <= 1e-5 && expected <= 1e-5
        });
    }
}

fn adamw() -> impl Optimizer {
    AdamWConfig::new()
        .with_beta_1(0.9)
        .with_beta_2(0.999)
        .with_epsilon(1e-8)
        .with_weight_decay(0.01)
        .build()
}

#[test]
fn parity_with_peft_over_twenty_steps_of_adamw() {
    let Some(folder) = fixture("osf-parity") else {
        return;
    };
    for (backend, device) in backends() {
        println!("{backend}");
        let trace = train(&folder, Form::Factored, adamw(), 0.01, &device);
        agrees(&folder, "adamw", &trace, |found, expected| {
            (found / expected - 1.0).abs() < 0.02
        });
    }
}

#[test]
fn parity_run_leaks_rounding_alone_when_factors_are_projected_again() {
    let Some(folder) = fixture("osf-parity") else {
        return;
    };
    for (backend, device) in backends() {
        let trace = train(&folder, Form::FactoredReprojected, adamw(), 0.01, &device);
        for leak in trace.leaks {
            // As SGD's: some times the rounding of f32 over the size of the change.
            assert!(
                leak.leak_in < 1e-5 && leak.leak_out < 1e-5,
                "{backend}: {leak:?}"
            );
        }
    }
}
