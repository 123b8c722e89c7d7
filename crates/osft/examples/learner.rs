//! OSFT inside Burn's own `Learner`: two image tasks in sequence, and what is left of the first one.
//!
//! The tasks share a network and its four outputs. The first is to tell strokes apart (–, |, /, \), the second
//! figures (square, disc, cross, triangle); every picture is 12 × 12 pixels with noise. Between `prepare` and
//! `finish` the training is that of any other Burn program.
//!
//! `cargo run --release --example learner`

use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamWConfig, ModuleOptimizer};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::relu};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::renderer::{MetricsRenderer, default_renderer};
use burn::train::{
    ClassificationOutput, ExecutionStrategy, InferenceStep, Interrupter, Learner,
    SupervisedTraining, TrainOutput, TrainStep,
};
use osft::{Calibrator, Osft, OsftConfig, ShareRule, SplitContext, SplitSource};
use rand::{RngExt, SeedableRng, rngs::StdRng};

const SIDE: usize = 12;
const CLASSES: usize = 4;
const ROWS: usize = 512;
const WIDTH: usize = 128;
const EPOCHS: usize = 10;
const LEARNING_RATE: f64 = 3e-3;

type Failure = Box<dyn std::error::Error>;

#[derive(Clone, Debug)]
struct Picture {
    pixels: Vec<f32>,
    class: usize,
}

/// What a pixel is `x` to the right of and `y` below the centre of a figure of radius 4.
type Shape = fn(f32, f32) -> bool;

const STROKES: [Shape; CLASSES] = [
    |x, y| y.abs() < 0.7 && x.abs() < 4.0,
    |x, y| x.abs() < 0.7 && y.abs() < 4.0,
    |x, y| (x + y).abs() < 0.9 && x.abs() < 3.5,
    |x, y| (x - y).abs() < 0.9 && x.abs() < 3.5,
];
const FIGURES: [Shape; CLASSES] = [
    |x, y| x.abs().max(y.abs()) < 3.2,
    |x, y| x.hypot(y) < 3.4,
    |x, y| (x.abs() < 1.2 || y.abs() < 1.2) && x.abs().max(y.abs()) < 4.0,
    |x, y| y.abs() < 3.2 && x.abs() < (y + 3.5) / 2.0,
];

fn pictures(shapes: [Shape; CLASSES], seed: u64) -> Vec<Picture> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut one = |class: usize| {
        let centre = (SIDE - 1) as f32 / 2.0;
        let [right, down] = [0; 2].map(|_| centre + random.random_range(-1.5..1.5));
        let pixels = (0..SIDE * SIDE).map(|place| {
            let (x, y) = ((place % SIDE) as f32 - right, (place / SIDE) as f32 - down);
            f32::from(shapes[class](x, y)) + random.random_range(-0.3..0.3)
        });
        let pixels = pixels.collect();
        Picture { pixels, class }
    };
    (0..ROWS).map(|row| one(row % CLASSES)).collect()
}

#[derive(Clone, Debug)]
struct Batch {
    pixels: Tensor<2>,
    classes: Tensor<1, Int>,
}

#[derive(Clone)]
struct Stacked;

impl Batcher<Picture, Batch> for Stacked {
    fn batch(&self, rows: Vec<Picture>, device: &Device) -> Batch {
        let count = rows.len();
        let classes: Vec<i64> = rows.iter().map(|row| row.class as i64).collect();
        let pixels: Vec<f32> = rows.into_iter().flat_map(|row| row.pixels).collect();
        Batch {
            pixels: Tensor::from_data(TensorData::new(pixels, [count, SIDE * SIDE]), device),
            classes: Tensor::from_data(TensorData::new(classes, [count]), device),
        }
    }
}

fn loader(rows: Vec<Picture>, device: &Device) -> Arc<dyn DataLoader<Batch>> {
    let builder = DataLoaderBuilder::new(Stacked).batch_size(32).shuffle(7);
    builder
        .set_device(device.clone())
        .build(InMemDataset::new(rows))
}

#[derive(Module, Debug)]
struct Network {
    first: Linear,
    second: Linear,
    output: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let layer = |d_in, d_out| LinearConfig::new(d_in, d_out).init(device);
        Self {
            first: layer(SIDE * SIDE, WIDTH),
            second: layer(WIDTH, WIDTH),
            output: layer(WIDTH, CLASSES),
        }
    }

    /// The inputs of the three layers, and the logits.
    fn passes(&self, pixels: Tensor<2>) -> ([Tensor<2>; 3], Tensor<2>) {
        let hidden = relu(self.first.forward(pixels.clone()));
        let deeper = relu(self.second.forward(hidden.clone()));
        let logits = self.output.forward(deeper.clone());
        ([pixels, hidden, deeper], logits)
    }

    fn classified(&self, batch: Batch) -> ClassificationOutput {
        let (_, logits) = self.passes(batch.pixels);
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        let loss = loss.forward(logits.clone(), batch.classes.clone());
        ClassificationOutput::new(loss, logits, batch.classes)
    }

    /// Per cent of the pictures that are recognized.
    fn accuracy(&self, rows: Vec<Picture>, device: &Device) -> f32 {
        let batch = Stacked.batch(rows, device);
        let (_, logits) = self.passes(batch.pixels);
        let found: Tensor<1, Int> = logits.argmax(1).squeeze_dim(1);
        let right = found.equal(batch.classes).float().mean();
        100.0 * right.into_scalar::<f32>()
    }
}

impl TrainStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> TrainOutput<ClassificationOutput> {
        let output = self.classified(batch);
        TrainOutput::new(self, output.loss.backward(), output)
    }
}

impl InferenceStep for Network {
    type Input = Batch;
    type Output = ClassificationOutput;

    fn step(&self, batch: Batch) -> ClassificationOutput {
        self.classified(batch)
    }
}

/// Makes what shows the training.
type Renderer = fn() -> Box<dyn MetricsRenderer>;

/// Trains with Burn's training loop, which keeps its log in a temporary folder.
fn train(
    model: Network,
    optimizer: ModuleOptimizer,
    shapes: [Shape; CLASSES],
    (device, renderer): (&Device, Renderer),
) -> Result<Network, Failure> {
    let log = tempfile::tempdir()?;
    let training = loader(pictures(shapes, 1), device);
    let validation = loader(pictures(shapes, 2), device);
    let result = SupervisedTraining::new(log.path(), training, validation)
        .metrics((AccuracyMetric::new(), LossMetric::new()))
        .with_training_strategy(ExecutionStrategy::single(device.clone()).into())
        .with_application_logger(None)
        .renderer(renderer())
        .num_epochs(EPOCHS)
        .launch(Learner::new(model, optimizer, LEARNING_RATE));
    match result.error {
        Some(error) => Err(error.to_string().into()),
        None => Ok(result.model.train()),
    }
}

/// A split that protects what the strokes need of every layer.
fn split(model: &Network, device: &Device) -> Result<Osft, Failure> {
    let config = OsftConfig::new()
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(0.98));
    let mut calibrator = Calibrator::for_config(model, &config)?;
    let strokes = Stacked.batch(pictures(STROKES, 1), device);
    let (inputs, _) = model.valid().passes(strokes.pixels.inner());
    let layers = [&model.first, &model.second, &model.output];
    for (layer, x) in layers.into_iter().zip(inputs) {
        let y = x.clone().matmul(layer.weight.val().inner());
        calibrator.observe(&x, &[(layer.weight.id, y)])?;
    }
    let calibration = calibrator.finish("strokes", model)?;
    let context = SplitContext::new().with_calibration(&calibration);
    Ok(Osft::split_in(model, &config, &context)?)
}

/// Accuracy on strokes and on figures: after the strokes alone, after fine-tuning on the figures, and after OSFT
/// on the figures.
pub fn compared(renderer: Renderer) -> Result<[[f32; 2]; 3], Failure> {
    let device = Device::flex().autodiff();
    device.seed(1);
    let shown = (&device, renderer);
    let adamw = || AdamWConfig::new().with_weight_decay(0.0).build();

    let base = Network::new(&device);
    let base = train(base, ModuleOptimizer::from(adamw()), STROKES, shown)?;

    let optimizer = ModuleOptimizer::from(adamw());
    let plain = train(base.clone(), optimizer, FIGURES, shown)?;

    let osft = split(&base, &device)?;
    let prepared = osft.prepare(base.clone())?;
    let protected = train(prepared, osft.optimizer(adamw())?, FIGURES, shown)?;
    let protected = osft.finish(protected)?;

    let of = |model: &Network, shapes| model.accuracy(pictures(shapes, 3), &device);
    Ok([base, plain, protected].map(|model| [of(&model, STROKES), of(&model, FIGURES)]))
}

fn main() -> Result<(), Failure> {
    let names = ["strokes learned", "then fine-tuned", "then OSFT"];
    // Draws on the terminal, if there is one.
    let results = compared(|| default_renderer(Interrupter::new(), None))?;
    for (name, [strokes, figures]) in names.into_iter().zip(results) {
        println!("{name:15} strokes {strokes:5.1} % · figures {figures:5.1} %");
    }
    Ok(())
}
