//! A process that holds one model and does one step whenever it is told to: variants take turns in one
//! run, and each has a memory of its own.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::tensor::Device;
use continual::methods::{LoraConfig, LoraMethod, OsftMethod, SeqFt};
use continual::trainer::{Schedule, TaskTraining, TrainConfig, TrainEvent, Training, fit};
use continual::{Clock, ContinualError, EvaluationSet, Method, Scorer, Task, TaskContext};
use lm::{Example, LanguageModel, Model};
use osft::{Form, SelectedTarget, SplitCache};
use serde::Serialize;

use super::memory::{peak_mebibytes, reset_peak};
use super::plain::PlainTargets;
use super::shape;
use super::spec::{Ready, Spec, Timed, defaults};
use crate::cli::{Activations, VariantName};

/// Does what it is told, a line each, until its input ends.
///
/// # Errors
///
/// If a step fails, or its orders cannot be read.
pub fn run(spec: &str) -> Result<()> {
    let spec: Spec = serde_json::from_str(spec).context("what to time")?;
    let device = spec.backend.device()?;
    let mut model = shape::model(spec.shape, &device.clone().autodiff())?;
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
        activation_checkpointing: spec.activations == Activations::Recomputed,
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
    let count = spec.tasks as usize;
    let clock = Clock::start();
    let context = |index| TaskContext {
        index,
        count,
        task: &task,
        clock: &clock,
    };
    let first = &rows[..per_step];
    let one_step = InMemDataset::new(first.to_vec());
    for index in 0..count - 1 {
        let method = method.as_dyn_mut();
        let (started, optimizer) = method.begin_task(model, train.optimizer(), context(index))?;
        let training = Training::new(started, optimizer);
        let learned = fit(
            training,
            task_training(&train, &one_step),
            method,
            &mut |_| Ok(()),
        )?;
        (model, _) = method.end_task(learned, context(index))?;
    }
    sync(&device);
    reset_peak();
    let start = Instant::now();
    let (model, optimizer) =
        method
            .as_dyn_mut()
            .begin_task(model, train.optimizer(), context(count - 1))?;
    sync(&device);
    say(&Ready {
        setup_seconds: start.elapsed().as_secs_f64(),
        setup_mebibytes: peak_mebibytes(),
        parameters,
        multiplications: multiplications(&spec, &method, &model)?,
    })?;
    reset_peak();

    let mut orders = std::io::stdin().lock().lines();
    if orders.next().is_none() {
        return Ok(());
    }
    let mut forward_seconds = forward(&model, first, &device);
    let mut begun = Instant::now();
    let mut loss = f64::NAN;
    let all = InMemDataset::new(rows.clone());
    let outcome = fit(
        Training::new(model, optimizer),
        task_training(&train, &all),
        method.as_dyn(),
        &mut |event| {
            match event {
                TrainEvent::Stepped(step) => loss = step.loss,
                TrainEvent::Settled(training) => {
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
                TrainEvent::Validated(_) => {}
            }
            Ok(())
        },
    );
    match outcome {
        Ok(_) | Err(ContinualError::Interrupted) => Ok(()),
        Err(error) => bail!(error),
    }
}

/// One time through rows.
fn task_training<'a>(config: &'a TrainConfig, rows: &'a dyn Dataset<Example>) -> TaskTraining<'a> {
    TaskTraining {
        task: "bench",
        config,
        rows,
        validation: None,
        epochs: 1,
        seed: 0,
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

/// A method; of OSFT it is asked afterwards how it split.
enum Timing {
    Osft(Box<OsftMethod>),
    Other(Box<dyn Method<Model>>),
}

impl Timing {
    fn as_dyn(&self) -> &dyn Method<Model> {
        match self {
            Self::Osft(method) => method.as_ref(),
            Self::Other(method) => method.as_ref(),
        }
    }

    fn as_dyn_mut(&mut self) -> &mut dyn Method<Model> {
        match self {
            Self::Osft(method) => method.as_mut(),
            Self::Other(method) => method.as_mut(),
        }
    }
}

fn method(spec: &Spec) -> Result<Timing> {
    let osft = |form| -> Result<Timing> {
        let mut method = OsftMethod::new(spec.osft(form)?);
        if let Some(folder) = &spec.split_cache {
            method = method.with_split_cache(SplitCache::in_folder(folder));
        }
        Ok(Timing::Osft(Box::new(method)))
    };
    // On the tensors that OSFT trains.
    let adapters = |config: LoraConfig| -> Result<LoraConfig> {
        let targets = spec.osft(Form::Core)?.targets;
        Ok(LoraConfig { targets, ..config })
    };
    let other: Box<dyn Method<Model>> = match spec.variant {
        VariantName::Core => return osft(Form::Core),
        VariantName::Weight => return osft(Form::Weight),
        VariantName::Factored => return osft(Form::Factored),
        VariantName::Seqft => Box::new(SeqFt),
        VariantName::Plain => Box::new(PlainTargets(spec.osft(Form::Core)?.targets)),
        VariantName::Lora => Box::new(LoraMethod::sequential(adapters(defaults()?.lora)?, 0)?),
        VariantName::OLora => Box::new(LoraMethod::orthogonal(adapters(defaults()?.o_lora)?, 0)?),
        VariantName::Peer => bail!("{} is a program of its own", spec.label()),
    };
    Ok(Timing::Other(other))
}

/// Of a step in the targets: `3 tokens d_in d_out` where all of a weight trains, and what OSFT counts
/// for itself.
fn multiplications(spec: &Spec, method: &Timing, model: &Model) -> Result<Option<usize>> {
    let tokens = |path: &str| shape::tokens_of(spec.shape, spec.tokens, path);
    match (method, spec.variant) {
        (Timing::Osft(method), _) => Ok(method.current_split().and_then(|split| {
            let layers = split.layers().iter();
            let costs = layers.map(|layer| layer.step_cost(tokens(&layer.path)));
            costs.map(|cost| Some(cost?.total())).sum()
        })),
        (Timing::Other(_), VariantName::Seqft | VariantName::Plain) => {
            let targets = spec.osft(Form::Core)?.targets.selected(model)?;
            let of = |target: &SelectedTarget| {
                3 * tokens(&target.path) * target.shape[0] * target.shape[1]
            };
            Ok(Some(targets.iter().map(of).sum()))
        }
        (Timing::Other(_), _) => Ok(None),
    }
}
