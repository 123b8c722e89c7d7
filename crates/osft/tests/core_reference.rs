//! The `core` form compared with an f64 reference written from the equations.

use crate::common::backends;
use crate::common::host::{host, svd, tensor};
use crate::common::noise;
use burn::module::Param;
use burn::nn::LinearConfig;
use burn::optim::{AdamWConfig, GradientsParams};
use burn::tensor::{Device, TensorData};
use faer::{Mat, Scale};
use osft::{Osft, OsftConfig, Side};

const STEPS: usize = 20;
const LEARNING_RATE: f64 = 1e-2;
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
const DECAY: f64 = 0.01;

fn matrix(seed: u64, rows: usize, columns: usize, scale: f32) -> Mat<f64> {
    let values = noise(seed, rows * columns, scale);
    Mat::from_fn(rows, columns, |i, j| f64::from(values[i * columns + j]))
}

/// Coordinates of one side: `N` if `d - k <= k`, otherwise those of the weight, projected off `P`.
enum Coordinates {
    Free(Mat<f64>),
    Projected(Mat<f64>),
}

impl Coordinates {
    /// `vectors`: the singular vectors of this side, `[d, min(d_in, d_out)]`.
    fn new(vectors: &Mat<f64>, k: usize, side: &Side) -> Self {
        let d = vectors.nrows();
        let protected = vectors.subcols(0, k).to_owned();
        if d - k > k {
            return Self::Projected(protected);
        }
        let given = vectors.ncols();
        if given == d {
            // AdamW is an odd function of every coordinate, so the sign of a basis vector has no effect.
            return Self::Free(vectors.subcols(k, d - k).to_owned());
        }
        // Beyond the singular vectors every rotation of the null space is valid, and AdamW depends on it. So
        // that basis is taken from the library, and only checked to be orthonormal.
        let Side::Free(basis) = side else {
            panic!("the free basis is the smaller one");
        };
        let basis = host(basis);
        let gram = basis.transpose() * &basis;
        assert!((gram - Mat::<f64>::identity(d - k, d - k)).norm_max() < 1e-6);
        assert!((protected.transpose() * &basis).norm_max() < 1e-6);
        Self::Free(basis)
    }

    fn lower(&self, x: &Mat<f64>) -> Mat<f64> {
        match self {
            Self::Free(n) => n.transpose() * x,
            Self::Projected(p) => x - p * (p.transpose() * x),
        }
    }

    fn lift(&self, c: &Mat<f64>) -> Mat<f64> {
        match self {
            Self::Free(n) => n * c,
            Self::Projected(p) => c - p * (p.transpose() * c),
        }
    }
}

fn elementwise(a: &Mat<f64>, b: &Mat<f64>, f: impl Fn(f64, f64) -> f64) -> Mat<f64> {
    Mat::from_fn(a.nrows(), a.ncols(), |i, j| f(a[(i, j)], b[(i, j)]))
}

/// `W` after every step of AdamW in core coordinates, for the loss `‖x W - y‖² / n`.
fn reference(
    start: &Mat<f64>,
    input: &Coordinates,
    output: &Coordinates,
    batches: &[(Mat<f64>, Mat<f64>)],
) -> Vec<Mat<f64>> {
    let across = |m: &Mat<f64>| m.transpose().to_owned();
    let lower = |g: &Mat<f64>| across(&output.lower(&across(&input.lower(g))));
    let lift = |c: &Mat<f64>| across(&output.lift(&across(&input.lift(c))));
    let mut weight = start.clone();
    let mut core = lower(&Mat::zeros(start.nrows(), start.ncols()));
    let mut first = core.clone();
    let mut second = core.clone();
    let mut trace = Vec::new();
    for (step, (x, y)) in batches.iter().enumerate() {
        let residual = x * &weight - y;
        let gradient = Scale(2.0 / x.nrows() as f64) * (x.transpose() * residual);
        let g = lower(&gradient);
        first = elementwise(&first, &g, |m, g| BETA_1 * m + (1.0 - BETA_1) * g);
        second = elementwise(&second, &g, |v, g| BETA_2 * v + (1.0 - BETA_2) * g * g);
        let time = step as i32 + 1;
        let update = elementwise(&first, &second, |m, v| {
            let m = m / (1.0 - BETA_1.powi(time));
            let v = v / (1.0 - BETA_2.powi(time));
            m / (v.sqrt() + EPSILON)
        });
        core = elementwise(&core, &update, |c, u| {
            c - LEARNING_RATE * DECAY * c - LEARNING_RATE * u
        });
        weight = start + lift(&core);
        trace.push(weight.clone());
    }
    trace
}

fn run(d_in: usize, d_out: usize, share: f64, device: &Device) -> f64 {
    let device = device.clone().autodiff();
    let seed = (100 * d_in + d_out) as u64;
    let start = matrix(seed, d_in, d_out, 0.5);
    let batches: Vec<_> = (0..STEPS as u64)
        .map(|step| {
            let seed = seed + 10 * step;
            (
                matrix(seed + 1, 8, d_in, 1.0),
                matrix(seed + 2, 8, d_out, 1.0),
            )
        })
        .collect();

    let mut layer = LinearConfig::new(d_in, d_out)
        .with_bias(false)
        .init(&device);
    let values = noise(seed, d_in * d_out, 0.5);
    layer.weight = Param::from_data(TensorData::new(values, [d_in, d_out]), &device);
    let config = OsftConfig::new().with_protected_share(share);
    let osft = Osft::split(&layer, &config).unwrap();
    let split = &osft.layers()[0];
    let parts = svd(&start);
    let (u, v) = (parts.U().to_owned(), parts.V().to_owned());
    let input = Coordinates::new(&u, split.k_in, &split.constraint.input);
    let output = Coordinates::new(&v, split.k_out, &split.constraint.output);
    let expected = reference(&start, &input, &output, &batches);

    let mut optimizer = osft
        .optimizer(
            AdamWConfig::new()
                .with_beta_1(BETA_1 as f32)
                .with_beta_2(BETA_2 as f32)
                .with_epsilon(EPSILON as f32)
                .with_weight_decay(DECAY as f32)
                .build(),
        )
        .unwrap();
    let mut layer = osft.prepare(layer).unwrap();
    let mut worst = 0.0_f64;
    for ((x, y), expected) in batches.iter().zip(&expected) {
        let (x, y) = (tensor(x, &device), tensor(y, &device));
        let loss = (layer.forward(x) - y).square().sum() / 8.0;
        let grads = GradientsParams::from_grads(loss.backward(), &layer);
        layer = optimizer.step(LEARNING_RATE, layer, osft.project(grads));
        let found = host(&layer.weight.val().inner());
        worst = worst.max((&found - expected).norm_max());
    }
    let moved = (&expected[STEPS - 1] - &start).norm_max();
    assert!(
        moved > 2.0 * LEARNING_RATE,
        "the reference moved by {moved}"
    );
    worst
}

#[test]
fn core_equals_a_float64_reference_over_twenty_steps() {
    // Square, wide and tall: with free bases stored, with protected ones, and with one of each.
    let cases = [
        (12, 12, 0.5),
        (12, 12, 0.25),
        (8, 20, 0.5),
        (20, 8, 0.75),
        (10, 12, 0.8),
        (12, 10, 0.8),
    ];
    for (backend, device) in backends() {
        for (d_in, d_out, share) in cases {
            let error = run(d_in, d_out, share, &device);
            println!("{backend} {d_in}x{d_out} share {share}: {error:e}");
            // A step of AdamW is the learning rate times a ratio near 1. f32 changes a gradient by 1e-7 of
            // its terms, so the ratio by 1e-5 if the terms cancel to a hundredth: 1e-7 of a weight per step,
            // for twenty steps.
            assert!(
                error < 3e-6,
                "{backend} {d_in}x{d_out} share {share}: {error:e}"
            );
        }
    }
}
