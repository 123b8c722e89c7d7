//! A process that holds one model and does one step whenever it is told to: variants take turns in one
//! run, and each has a memory of its own.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::tensor::Device;
use continual::methods::{LoraConfig, LoraMethod, OsftMethod, SeqFt};
use continual::trainer::{Course, Moment, Schedule, TrainConfig, Training, fit};
use continual::{ContinualError, EvaluationSet, Method, Scorer, Task, TaskContext};
use lm::{Example, LanguageModel, Model};
use osft::{Form, Osft, OsftConfig};
use serde::{Deserialize, Serialize};

use super::memory::{peak_mebibytes, reset_peak};
use super::plain::PlainTargets;
use super::shape;
use crate::backend::Backend;
use crate::cli::{ShapeName, VariantName};
use crate::config::RunConfig;

/// What a worker times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// Shape of the model.
    pub shape: ShapeName,
    /// What is timed.
    pub variant: VariantName,
    /// Protected share, of the variants that have one.
    pub share: Option<f64>,
    /// Tokens of a step.
    pub tokens: usize,
    /// Steps at most.
    pub steps: usize,
    /// Where to compute.
    pub backend: Backend,
}

impl Spec {
    /// Name in reports.
    pub fn label(&self) -> String {
        let name = match self.variant {
            VariantName::Seqft => "seqft",
            VariantName::Plain => "plain",
            VariantName::Core => "osft core",
            VariantName::Weight => "osft weight",
            VariantName::Factored => "osft factored",
            VariantName::Lora => "lora",
        };
        match self.share {
            Some(share) => format!("{name} {share}"),
            None => name.to_string(),
        }
    }

    fn osft(&self, form: Form) -> Result<OsftConfig> {
        let config = defaults()?.osft_paper;
        let share = self.share.unwrap_or(0.5);
        Ok(config.with_protected_share(share).with_form(form))
    }
}

/// What a worker says once it is ready.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Ready {
    /// Seconds to split the model and attach what a method attaches.
    pub setup_seconds: f64,
    /// Most memory until then.
    pub setup_mebibytes: Option<f64>,
    /// Numbers of the model.
    pub parameters: usize,
    /// Multiplications of a step in the targets, where they are counted.
    pub multiplications: Option<usize>,
}

/// What a worker says of a step.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Timed {
    /// Seconds of a forward pass that nothing is differentiated in.
    pub forward_seconds: f64,
    /// Seconds of a training step: forward, backward, projection, clipping, optimizer.
    pub step_seconds: f64,
    /// Most memory since the worker was ready.
    pub mebibytes: Option<f64>,
    /// Loss of the step, in nats.
    pub loss: f64,
}

/// Does what it is told, a line each, until its input ends.
///
/// # Errors
///
/// If a step fails, or its orders cannot be read.
pub fn run(spec: &str) -> Result<()> {
    let spec: Spec = serde_json::from_str(spec).context("what to time")?;
    let device = spec.backend.device()?;
    let model = shape::model(spec.shape, &device.clone().autodiff())?;
    let parameters = model.num_params();
    let rows: Vec<Example> = (0..spec.steps)
        .flat_map(|step| shape::rows(spec.shape, spec.tokens, step as u64))
        .collect();
    let per_step = rows.len() / spec.steps.max(1);
    let train = TrainConfig {
        learning_rate: 1e-4,
        schedule: Schedule::Constant,
        warmup_share: 0.0,
        global_batch: per_step,
        micro_batch: per_step,
        ..TrainConfig::default()
    };
    let task = Task {
        name: "bench".to_string(),
        train: Arc::new(InMemDataset::new(rows.clone())),
        validation: None,
        evaluation: EvaluationSet {
            questions: Vec::new(),
            scorer: Arc::new(Unscored),
            max_new_tokens: 0,
        },
        epochs: 1,
    };
    let mut method = method(&spec)?;
    let context = TaskContext {
        index: 0,
        count: 1,
        task: &task,
    };
    let multiplications = multiplications(&spec, &model)?;
    sync(&device);
    let start = Instant::now();
    let (model, optimizer) = method.begin_task(model, train.optimizer(), context)?;
    sync(&device);
    say(&Ready {
        setup_seconds: start.elapsed().as_secs_f64(),
        setup_mebibytes: peak_mebibytes(),
        parameters,
        multiplications,
    })?;
    reset_peak();

    let mut orders = std::io::stdin().lock().lines();
    if orders.next().is_none() {
        return Ok(());
    }
    let first = &rows[..per_step];
    let mut forward_seconds = forward(&model, first, &device);
    let mut begun = Instant::now();
    let mut loss = f64::NAN;
    let course = Course {
        task: "bench",
        config: &train,
        rows: &InMemDataset::new(rows.clone()),
        validation: None,
        epochs: 1,
        seed: 0,
    };
    let outcome = fit(
        Training::new(model, optimizer),
        course,
        method.as_ref(),
        &mut |moment| {
            match moment {
                Moment::Stepped(step) => loss = step.loss,
                Moment::Settled(training) => {
                    sync(&device);
                    let timed = Timed {
                        forward_seconds,
                        step_seconds: begun.elapsed().as_secs_f64(),
                        mebibytes: peak_mebibytes(),
                        loss,
                    };
                    // Whoever gave the orders is gone, or has no more of them.
                    if say(&timed).is_err() || orders.next().is_none() {
                        return Err(ContinualError::Interrupted);
                    }
                    forward_seconds = forward(&training.model, first, &device);
                    begun = Instant::now();
                }
                Moment::Validated(_) => {}
            }
            Ok(())
        },
    );
    match outcome {
        Ok(_) | Err(ContinualError::Interrupted) => Ok(()),
        Err(error) => bail!(error),
    }
}

/// Nothing is asked here.
struct Unscored;

impl Scorer for Unscored {
    fn score(&self, _: &[&str], _: &[&str], _: &[&str]) -> f64 {
        0.0
    }
}

fn forward(model: &Model, rows: &[Example], device: &Device) -> f64 {
    let model = model.valid();
    let start = Instant::now();
    let (loss, _) = model.answer_loss(rows);
    loss.into_scalar::<f32>();
    sync(device);
    start.elapsed().as_secs_f64()
}

/// Waits for what was only enqueued.
fn sync(device: &Device) {
    // A device that failed shows it at the next operation.
    let _ = device.sync();
}

fn say<T: Serialize>(what: &T) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(what)?)?;
    Ok(out.flush()?)
}

fn defaults() -> Result<RunConfig> {
    RunConfig::resolve(Default::default(), false, &Default::default())
}

fn method(spec: &Spec) -> Result<Box<dyn Method<Model>>> {
    let osft = |form| -> Result<Box<dyn Method<Model>>> {
        Ok(Box::new(OsftMethod::new(spec.osft(form)?)))
    };
    match spec.variant {
        VariantName::Seqft => Ok(Box::new(SeqFt)),
        VariantName::Plain => Ok(Box::new(PlainTargets(spec.osft(Form::Core)?.targets))),
        VariantName::Core => osft(Form::Core),
        VariantName::Weight => osft(Form::Weight),
        VariantName::Factored => osft(Form::Factored),
        VariantName::Lora => {
            let config = LoraConfig {
                targets: spec.osft(Form::Core)?.targets,
                ..defaults()?.lora
            };
            Ok(Box::new(LoraMethod::sequential(config, 0)?))
        }
    }
}

/// Of a step in the targets: `3 tokens d_in d_out` where all of a weight trains, and what OSFT counts
/// for itself.
fn multiplications(spec: &Spec, model: &Model) -> Result<Option<usize>> {
    let form = match spec.variant {
        VariantName::Seqft | VariantName::Plain => {
            let targets = spec.osft(Form::Core)?.targets.selected(model)?;
            let numbers: usize = targets.iter().map(|t| t.shape[0] * t.shape[1]).sum();
            return Ok(Some(3 * spec.tokens * numbers));
        }
        VariantName::Core => Form::Core,
        VariantName::Weight => Form::Weight,
        VariantName::Factored | VariantName::Lora => return Ok(None),
    };
    let split = Osft::split(model, &spec.osft(form)?)?;
    let layers = split.layers().iter();
    let costs = layers.map(|layer| layer.step_cost(spec.tokens));
    Ok(costs.map(|cost| Some(cost?.total())).sum())
}
