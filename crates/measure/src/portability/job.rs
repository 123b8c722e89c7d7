//! The job of a backend: forward pass, gradient, split, every form of the constraint, calibration,
//! generation.

use std::time::Instant;

use anyhow::Result;
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use continual::calibrate;
use lm::{GenerationOptions, LanguageModel, MixedPrecision};
use osft::{
    BasePrecision, Calibrator, Form, Osft, OsftConfig, ShareRule, SplitContext, SplitSource,
};

use super::network::{examples, gradients, model, parameters};
use super::steps::{adamw, train};

const TARGETS: [&str; 1] = [r"(q|k|v|o|gate|up|down)_proj\.weight$"];

/// The reference of a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The first backend: the deviation is the largest difference over the largest reference value.
    Reference,
    /// Zero: the quantity itself must be small.
    Zero,
}

/// Numbers that should agree on all backends.
pub struct Quantity {
    /// Their name.
    pub name: String,
    /// The numbers.
    pub values: Vec<f64>,
    /// Their reference.
    pub against: Against,
    /// The largest deviation that passes.
    pub limit: f64,
}

/// The results of one backend, with times.
pub struct Outcome {
    /// The quantities, in the same order on every backend.
    pub quantities: Vec<Quantity>,
    /// The parts of the job, with their seconds.
    pub seconds: Vec<(&'static str, f64)>,
}

// The limits are deviations relative to the largest value of a quantity. f32 rounds at 6e-8.

/// A few hundred roundings in different orders, through two blocks.
const FORWARD: f64 = 1e-5;
/// A backward pass is twice as deep, and gradients cancel.
const GRADIENT: f64 = 1e-4;
/// The host decomposes the same weights in f64.
const HOST: f64 = 1e-12;
/// Products of two bases and a matrix.
const PROJECTION: f64 = 1e-5;
/// Losses of twenty steps, on weights that differ by at most `CHANGE`.
const LOSSES: f64 = 1e-4;
/// AdamW divides a gradient by its own magnitude: where the gradient is at rounding level, two
/// backends differ by a whole learning rate. One per cent of the largest change is a fifth of one
/// such step, out of twenty steps.
const CHANGE: f64 = 1e-2;
/// With weights in bf16, finished weights are rounded: where those of two backends lie on both sides of the middle, they
/// differ by a unit in the last place, 2⁻⁹ for weights of a quarter to a half. The largest change is at least a hundredth.
const ROUNDED_CHANGE: f64 = 0.2;
/// Losses of twenty steps that compute in bf16, on two backends, and the same beside f32: a product is rounded at 2⁻⁸,
/// some ten of them follow one another, and their errors are of either sign.
const MIXED_LOSSES: f64 = 1e-2;
/// Rounding of the weights relative to their change, `6e-8 ‖W‖ / ‖ΔW‖`, for a change of at least a
/// hundredth of the weights.
const LEAK: f64 = 2e-5;

/// Runs the whole job on one device. With weights in bf16 it has the parts that can hold them so, those in core
/// coordinates, and one with mixed precision.
///
/// # Errors
///
/// If a split or a calibration fails, or the device has no bf16 that is asked for.
pub fn run(device: &Device, precision: BasePrecision) -> Result<Outcome> {
    let mut job = Job {
        device: device.clone().autodiff(),
        precision,
        quantities: Vec::new(),
        seconds: Vec::new(),
    };
    job.timed("forward and gradient", Job::forward_and_gradient)?;
    job.timed("split", Job::split)?;
    if precision == BasePrecision::Full {
        job.timed("20 steps, plain", |job| job.plain())?;
    }
    let forms = [
        ("20 steps, core", "core", Form::Core),
        ("20 steps, weight", "weight", Form::Weight),
        ("20 steps, factored", "factored", Form::Factored),
        (
            "20 steps, reprojected",
            "factored-reprojected",
            Form::FactoredReprojected,
        ),
    ];
    let held = |form: &(_, _, Form)| form.2 == Form::Core || precision == BasePrecision::Full;
    for (part, name, form) in forms.into_iter().filter(held) {
        job.timed(part, |job| {
            let config = job.config().with_form(form);
            job.form(name, &config, &SplitContext::new())
        })?;
    }
    job.timed("20 steps, core at share 0.8", |job| {
        let config = job.config().with_protected_share(0.8);
        job.form("core at share 0.8", &config, &SplitContext::new())
    })?;
    if precision == BasePrecision::Bf16 {
        job.timed("20 steps, mixed precision", Job::mixed)?;
    }
    job.timed("calibration, 20 steps", Job::inputs)?;
    job.timed("generation", Job::generation)?;
    Ok(Outcome {
        quantities: job.quantities,
        seconds: job.seconds,
    })
}

struct Job {
    device: Device,
    precision: BasePrecision,
    quantities: Vec<Quantity>,
    seconds: Vec<(&'static str, f64)>,
}

impl Job {
    fn timed(
        &mut self,
        part: &'static str,
        work: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let start = Instant::now();
        work(self)?;
        self.seconds.push((part, start.elapsed().as_secs_f64()));
        Ok(())
    }

    fn config(&self) -> OsftConfig {
        OsftConfig::new()
            .with_targets(TARGETS)
            .with_base_precision(self.precision)
    }

    fn add(&mut self, name: impl Into<String>, values: Vec<f64>, against: Against, limit: f64) {
        self.quantities.push(Quantity {
            name: name.into(),
            values,
            against,
            limit,
        });
    }

    fn add_compared(&mut self, name: impl Into<String>, values: Vec<f64>, limit: f64) {
        self.add(name, values, Against::Reference, limit);
    }

    fn forward_and_gradient(&mut self) -> Result<()> {
        let model = model(&self.device)?;
        let rows: Vec<Vec<u32>> = examples(2, 4).into_iter().map(|e| e.prompt).collect();
        let logits = model.valid().logits(&rows);
        // The logits of padding may differ.
        let [_, _, width] = logits.dims();
        let shown = rows.iter().enumerate().flat_map(|(row, tokens)| {
            let part = logits
                .clone()
                .slice([row..row + 1, 0..tokens.len(), 0..width]);
            part.into_data().iter::<f64>().collect::<Vec<_>>()
        });
        self.add_compared("logits", shown.collect(), FORWARD);
        let (loss, _) = model.answer_loss(&examples(3, 8));
        self.add_compared(
            "loss",
            vec![f64::from(loss.clone().into_scalar::<f32>())],
            FORWARD,
        );
        let grads = GradientsParams::from_grads(loss.backward(), &model);
        self.add_compared("gradients", gradients(&model, &grads), GRADIENT);
        Ok(())
    }

    fn split(&mut self) -> Result<()> {
        let model = model(&self.device)?;
        let osft = Osft::split(&model, &self.config())?;
        let energies = osft
            .layers()
            .iter()
            .flat_map(|layer| layer.energies.clone());
        self.add_compared("split: energies", energies.collect(), HOST);
        let mut projected = Vec::new();
        for layer in osft.layers() {
            let [d_in, d_out] = layer.shape;
            let probe: Vec<f32> = (0..d_in * d_out).map(|i| (i as f32 * 0.7).sin()).collect();
            let device = self.device.clone().inner();
            let probe = Tensor::<2>::from_data(TensorData::new(probe, [d_in, d_out]), &device);
            let constraint = &layer.constraint;
            let free = constraint.lift(constraint.constrain(constraint.lower(probe)));
            projected.extend(free.into_data().iter::<f64>());
        }
        self.add_compared("split: projections", projected, PROJECTION);
        Ok(())
    }

    fn plain(&mut self) -> Result<()> {
        let start = model(&self.device)?;
        let before = parameters(&start);
        let (model, losses) = train(start, None, MixedPrecision::None, &mut adamw().into());
        self.add_compared("plain: losses", losses, LOSSES);
        self.add_compared(
            "plain: change",
            difference(&parameters(&model), &before),
            CHANGE,
        );
        Ok(())
    }

    fn form(&mut self, name: &str, config: &OsftConfig, context: &SplitContext<'_>) -> Result<()> {
        let start = model(&self.device)?;
        let before = parameters(&start);
        let osft = Osft::split_in(&start, config, context)?;
        let mut optimizer = osft.optimizer(adamw())?;
        let prepared = osft.prepare(start)?;
        let (model, losses) = train(prepared, Some(&osft), MixedPrecision::None, &mut optimizer);
        // Rounding to bf16 is not orthogonal to what is protected, so that the leak is measured before it.
        let (model, worst, limit) = match self.precision {
            BasePrecision::Full => {
                let model = osft.finish(model)?;
                let worst = osft.leaks(&model)?.worst();
                (model, worst, CHANGE)
            }
            BasePrecision::Bf16 => {
                let worst = osft.leaks(&model)?.worst();
                (osft.finish(model)?, worst, ROUNDED_CHANGE)
            }
        };
        self.add_compared(format!("{name}: losses"), losses, LOSSES);
        let change = difference(&parameters(&model), &before);
        self.add_compared(format!("{name}: change"), change, limit);
        let bounded = match config.form {
            // The factored form does not bound its leak; the leak only has to agree between
            // backends.
            Form::Factored => {
                self.add_compared(
                    format!("{name}: leak"),
                    vec![worst.leak_in, worst.leak_out],
                    CHANGE,
                );
                return Ok(());
            }
            Form::Weight => worst.leak_both,
            _ => worst.leak_in.max(worst.leak_out),
        };
        self.add(format!("{name}: leak"), vec![bounded], Against::Zero, LEAK);
        Ok(())
    }

    fn mixed(&mut self) -> Result<()> {
        let losses = |precision| -> Result<Vec<f64>> {
            let start = model(&self.device)?;
            let osft = Osft::split(&start, &self.config())?;
            let mut optimizer = osft.optimizer(adamw())?;
            let prepared = osft.prepare(start)?;
            Ok(train(prepared, Some(&osft), precision, &mut optimizer).1)
        };
        let (mixed, full) = (losses(MixedPrecision::Bf16)?, losses(MixedPrecision::None)?);
        let pairs = mixed.iter().zip(&full);
        let apart = pairs.map(|(mixed, full)| mixed / full - 1.0).collect();
        self.add_compared("mixed precision: losses", mixed, MIXED_LOSSES);
        let name = "mixed precision: losses, beside f32";
        self.add(name, apart, Against::Zero, MIXED_LOSSES);
        Ok(())
    }

    fn inputs(&mut self) -> Result<()> {
        let config = self
            .config()
            .with_split(SplitSource::Inputs)
            .with_share_rule(ShareRule::energy(0.9));
        let model = model(&self.device)?;
        let calibrator = Calibrator::for_config(&model, &config)?;
        let calibration = calibrate(&model, calibrator, "rows", &examples(4, 24), 5)?;
        let context = SplitContext::new().with_calibration(&calibration);
        let osft = Osft::split_in(&model, &config, &context)?;
        let energies = osft
            .layers()
            .iter()
            .flat_map(|layer| layer.energies.clone());
        self.add_compared("inputs: second moments", energies.collect(), FORWARD);
        let counts = osft.layers().iter().map(|layer| layer.k_in as f64);
        self.add_compared("inputs: protected directions", counts.collect(), 0.0);
        self.form("inputs", &config, &context)
    }

    fn generation(&mut self) -> Result<()> {
        let model = model(&self.device)?;
        let prompts: Vec<Vec<u32>> = examples(5, 4).into_iter().map(|e| e.prompt).collect();
        for (name, use_cache) in [("cached", true), ("uncached", false)] {
            let mut options = GenerationOptions::greedy(12, Vec::new());
            options.use_cache = use_cache;
            let rows = model.generate(&prompts, &options);
            let tokens = rows.iter().flatten().map(|&token| f64::from(token));
            self.add_compared(format!("generation, {name}: tokens"), tokens.collect(), 0.0);
        }
        Ok(())
    }
}

fn difference(after: &[f64], before: &[f64]) -> Vec<f64> {
    after.iter().zip(before).map(|(a, b)| a - b).collect()
}
