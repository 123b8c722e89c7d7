//! A worker process: it holds one model and performs one step per request. So variants take turns
//! in one run, and the memory of each is measured separately.

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use burn::data::dataset::{Dataset, InMemDataset};
use burn::module::Module;
use burn::tensor::Device;
use continual::methods::PAPER_TARGETS;
use continual::trainer::{Schedule, TaskTraining, TrainConfig, TrainEvent, Training, fit};
use continual::{
    Clock, ContinualError, EvaluationSet, Method, MethodInputs, Scorer, Task, TaskContext,
};
use lm::{Example, LanguageModel, Model};
use osft::{ShareRule, Targets};
use runs::Registries;
use serde::Serialize;
use toml::Value;

use super::memory::{peak_mebibytes, reset_peak};
use super::plain::PlainTargets;
use super::shape;
use super::spec::{self, Ready, Spec, Timed};
use super::{Activations, PLAIN};

/// Executes requests, one per line, until its input ends.
///
/// # Errors
///
/// If a step fails, or a request cannot be read.
pub fn run(registries: &Registries, spec: &str) -> Result<()> {
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
        mixed_precision: spec.mixed_precision,
        packing: false,
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
    let mut method = method(registries, &spec)?;
    let count = spec.tasks as usize;
    let clock = Clock::start();
    let optimizer = train.optimizer();
    let context = |index| TaskContext {
        index,
        count,
        first: 0,
        task: &task,
        clock: &clock,
        optimizer: &optimizer,
    };
    let first = &rows[..per_step];
    let one_step = InMemDataset::new(first.to_vec());
    for index in 0..count - 1 {
        let (started, optimizer) = method.begin_task(model, context(index))?;
        let training = Training::new(started, optimizer);
        let learned = fit(
            training,
            task_training(&train, &one_step),
            method.as_ref(),
            &mut |_| Ok(()),
        )?;
        (model, _) = method.end_task(learned, context(index))?;
    }
    sync(&device);
    reset_peak(&device);
    let start = Instant::now();
    let (model, optimizer) = method.begin_task(model, context(count - 1))?;
    sync(&device);
    report(&Ready {
        setup_seconds: start.elapsed().as_secs_f64(),
        setup_mebibytes: peak_mebibytes(&device),
        parameters,
        multiplications: multiplications(&spec, method.as_ref(), &model)?,
    })?;
    reset_peak(&device);

    let mut requests = std::io::stdin().lock().lines();
    if requests.next().is_none() {
        return Ok(());
    }
    let mut forward_seconds = forward(&model, first, &device);
    let mut begun = Instant::now();
    let mut loss = f64::NAN;
    let all = InMemDataset::new(rows.clone());
    let outcome = fit(
        Training::new(model, optimizer),
        task_training(&train, &all),
        method.as_ref(),
        &mut |event| {
            match event {
                TrainEvent::Stepped(step) => loss = step.loss,
                TrainEvent::Settled(training) => {
                    sync(&device);
                    let timed = Timed {
                        forward_seconds,
                        step_seconds: begun.elapsed().as_secs_f64(),
                        mebibytes: peak_mebibytes(&device),
                        loss,
                    };
                    // The requesting process has ended or has no more requests.
                    if report(&timed).is_err() || requests.next().is_none() {
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

/// One epoch over the rows.
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

/// Always scores 0: a timing asks no questions.
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

/// Waits for the enqueued operations.
fn sync(device: &Device) {
    // A failed device reports its error at the next operation.
    let _ = device.sync();
}

pub(super) fn report<T: Serialize>(message: &T) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(message)?)?;
    Ok(out.flush()?)
}

/// The method of a variant, on OSFT's targets if the method has a setting for them.
fn method(registries: &Registries, spec: &Spec) -> Result<Box<dyn Method<Model>>> {
    let targets = Targets::matching([PAPER_TARGETS]);
    if spec.variant == PLAIN {
        return Ok(Box::new(PlainTargets(targets)));
    }
    let mut kinds = registries.methods.iter().flat_map(|kind| {
        let variants = kind.variants().into_iter();
        variants.map(move |variant| (kind, variant))
    });
    let variant = kinds.find(|(_, variant)| variant.name == spec.variant);
    let (kind, variant) = variant.with_context(|| format!("no variant {:?}", spec.variant))?;
    let mut settings = kind.settings(&variant.settings)?;
    if let Some(setting) = settings.get_mut("targets") {
        *setting = Value::try_from(&targets)?;
    }
    if let Some(share) = spec.share {
        let share = Value::try_from(ShareRule::fixed(share))?;
        settings.insert(spec::SHARE.to_string(), share);
    }
    if variant.axes.contains(&spec::BASE_PRECISION) {
        let precision = Value::from(spec.base_precision.as_str());
        settings.insert(spec::BASE_PRECISION.to_string(), precision);
    }
    let inputs = MethodInputs {
        cache: spec.split_cache.as_deref(),
        ..MethodInputs::default()
    };
    Ok(kind.build(&settings, inputs)?)
}

/// Multiplications of a step in OSFT's targets, as the method counts them: `3 tokens d_in d_out`
/// for a fully trained weight.
fn multiplications(
    spec: &Spec,
    method: &dyn Method<Model>,
    model: &Model,
) -> Result<Option<usize>> {
    let targets = Targets::matching([PAPER_TARGETS]).selected(model)?;
    let counts = targets.iter().map(|target| {
        let tokens = shape::tokens_of(spec.shape, spec.tokens, &target.path);
        method.multiplications(&target.path, target.shape, tokens)
    });
    Ok(counts.sum())
}
