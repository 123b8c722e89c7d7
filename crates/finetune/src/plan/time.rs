//! Time by part, from a few passes of the model itself.

use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::LinearConfig;
use burn::tensor::{Device, Tensor, TensorData};
use continual::methods::SeqFt;
use continual::trainer::{TaskTraining, TrainEvent, Training, fit};
use continual::{
    Clock, ContinualError, EvaluationSet, Generation, Method, ROWS_AT_A_TIME, SampleSize, Task,
    TaskContext, calibrate, generated_rows,
};
use lm::{Example, HfFolder, Model};
use osft::{Calibrator, Osft, OsftConfig, ShareRule, SplitContext, SplitSource, Targets};
use runs::settings::RunConfig;

use super::work::{Work, passes};
use crate::measure::ExactResult;

/// Tokens of the probe of calibration, at most.
const CALIBRATED: usize = 1024;
/// Tokens that are generated in each row of the probe.
const PROBED_TOKENS: usize = 8;
/// Time of the check whether rows are enough, relative to calibration: it reads half of the rows in the same way,
/// and all of them without sums over pairs of coordinates, which takes about half the time.
const CHECKED: f64 = 1.0;
/// Widest input whose decomposition is timed; wider ones take longer by the cube.
const DECOMPOSED: usize = 384;

/// The time of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Time {
    /// Seconds of every part.
    pub parts: Vec<(&'static str, f64)>,
}

impl Time {
    /// Seconds in all.
    pub fn total(&self) -> f64 {
        self.parts.iter().map(|(_, seconds)| seconds).sum()
    }

    /// Times two steps, a batch of calibration, some generated tokens and one decomposition, and multiplies.
    ///
    /// Steps are those of plain fine-tuning, which methods with projections stay close to.
    ///
    /// # Errors
    ///
    /// If the model cannot be read, or a pass fails.
    pub fn probed(
        folder: &HfFolder,
        config: &RunConfig,
        work: &Work,
        carried: bool,
    ) -> Result<Self> {
        let device = config.backend.device()?;
        let begun = Instant::now();
        let model = folder.load::<Model>(&device.clone().autodiff())?.model;
        let loading = begun.elapsed().as_secs_f64();
        let plain = model.valid();
        let mut parts = vec![("reading the model", 2.0 * loading)];
        let calibrates = config.reads_calibration();
        let settings = &config.calibration;

        let generates = config.reads_base_rows() && !carried && settings.generates();
        let generating = match generates || work.questions > 0 {
            true => generation(folder, &plain)?,
            false => 0.0,
        };
        if generates {
            let rows = settings.size().rows_of(settings.base_tokens);
            let batches = rows.div_ceil(ROWS_AT_A_TIME);
            let seconds = generating * (batches * settings.base_tokens) as f64;
            parts.push(("generating text to calibrate on", seconds));
        }
        if calibrates {
            let rows = work.calibrated_rows as f64 / work.examples.len().max(1) as f64;
            let of_task = rows * work.tokens as f64;
            let of_base = match config.reads_base_rows() && !carried {
                false => 0.0,
                true => {
                    (settings.size().rows_of(settings.base_tokens) * settings.base_tokens) as f64
                }
            };
            let checks = if settings.held_out { CHECKED } else { 0.0 };
            let per_token = calibration(&plain, config, work)?;
            let all = (of_base + of_task) * (1.0 + checks);
            parts.push(("calibration", per_token * all));
            // The check of every source makes a split of its own.
            let sources = if of_base > 0.0 { 2.0 } else { 1.0 };
            let splits = if settings.held_out {
                1.0 + sources
            } else {
                1.0
            };
            parts.push(("split", splits * decompositions(folder, &device)?));
        }
        let (step, tokens) = step(model, config, work)?;
        let all_tokens = (work.tokens * config.epochs.max(1)) as f64;
        // A pass over no tokens takes some time too, but rows of a task have similar lengths.
        let by_tokens = step * all_tokens / tokens.max(1) as f64;
        parts.push(("training", by_tokens));

        let forward = step / 3.0 / tokens.max(1) as f64;
        let measured = 2.0 * forward * work.measured_tokens as f64;
        let batch = config.evaluation_batch.max(1);
        let longest = config.rows.as_ref().map_or(0, |rows| rows.max_new_tokens);
        // Before it has learned the task, a model may not end its answers.
        let answered = longest as f64 + work.mean_answer.min(longest as f64);
        let share = (batch as f64 / ROWS_AT_A_TIME as f64).max(0.5);
        let answering = work.questions.div_ceil(batch) as f64 * answered * generating * share;
        parts.push(("measuring before and after", measured + answering));
        Ok(Self { parts })
    }
}

/// Seconds of one generated token in each of [`ROWS_AT_A_TIME`] rows.
fn generation(folder: &HfFolder, model: &Model) -> Result<f64> {
    let tokenizer = folder.tokenizer()?;
    let vocabulary = tokenizer.vocabulary_size();
    let generate = |tokens: usize| {
        let begun = Instant::now();
        let ends = tokenizer.stop_tokens();
        let generation = Generation {
            size: SampleSize::Rows(ROWS_AT_A_TIME),
            tokens,
            ends,
            seed: 1,
        };
        generated_rows(model, vocabulary, generation, &mut |_| {});
        begun.elapsed().as_secs_f64()
    };
    // The first pass sets up what later ones use.
    let first = generate(2);
    let more = generate(2 + PROBED_TOKENS);
    Ok(((more - first) / PROBED_TOKENS as f64).max(more / (2 + PROBED_TOKENS) as f64 / 2.0))
}

/// Seconds of calibration per token.
fn calibration(model: &Model, config: &RunConfig, work: &Work) -> Result<f64> {
    let mut rows: Vec<Example> = Vec::new();
    let mut tokens = 0;
    for row in work.examples.iter() {
        if tokens + row.len() > CALIBRATED && !rows.is_empty() {
            break;
        }
        tokens += row.len();
        rows.push(row.clone());
    }
    let calibrator = Calibrator::new(model, &OsftConfig::new().targets)?;
    let begun = Instant::now();
    calibrate(model, calibrator, "probe", &rows, config.evaluation_batch)?;
    Ok(begun.elapsed().as_secs_f64() / tokens.max(1) as f64)
}

/// Seconds of the decompositions of all inputs.
fn decompositions(folder: &HfFolder, device: &Device) -> Result<f64> {
    let widths = passes(folder)?.inputs;
    let widest = widths.iter().copied().max().unwrap_or(0);
    let width = widest.min(DECOMPOSED);
    let layer = LinearConfig::new(width, 8).with_bias(false).init(device);
    let config = OsftConfig::new()
        .with_targets(["weight$"])
        .with_split(SplitSource::Inputs)
        .with_share_rule(ShareRule::energy(0.9));
    let mut calibrator = Calibrator::new(&layer, &Targets::matching(["weight$"]))?;
    // Inputs of some hundred directions, whose values do not matter.
    let values: Vec<f32> = (0..2 * width * width)
        .map(|i| (i as f32 * 0.7).sin())
        .collect();
    let x = Tensor::<2>::from_data(TensorData::new(values, [2 * width, width]), device);
    let y = layer.forward(x.clone());
    calibrator.observe(&x, &[(layer.weight.id, y)])?;
    let calibration = calibrator.finish("probe", &layer)?;
    let begun = Instant::now();
    let context = SplitContext::new().with_calibration(&calibration);
    Osft::split_in(&layer, &config, &context)?;
    let seconds = begun.elapsed().as_secs_f64();
    let cube = |width: usize| (width as f64).powi(3);
    let threads = std::thread::available_parallelism().map_or(1.0, |n| usize::from(n) as f64);
    let all: f64 = widths.into_iter().map(cube).sum();
    Ok(seconds * all / cube(width.max(1)) / threads)
}

/// Seconds of a step of plain fine-tuning, and its tokens.
fn step(model: Model, config: &RunConfig, work: &Work) -> Result<(f64, usize)> {
    let mut rows = work.examples.to_vec();
    rows.sort_by_key(Example::len);
    // Rows of the middle: a step's rows have similar lengths.
    let size = config.train.global_batch.clamp(1, rows.len().max(1));
    let start = (rows.len() - size) / 2;
    let rows: Vec<Example> = rows[start..start + size].to_vec();
    let twice = InMemDataset::new([rows.clone(), rows].concat());
    let mut train = config.train.clone();
    train.global_batch = size;
    // A probe has no rows to validate on.
    train.validation = Default::default();
    let task = Task {
        name: "probe".to_string(),
        train: Arc::new(InMemDataset::new(Vec::new())),
        validation: None,
        evaluation: EvaluationSet {
            questions: Vec::new(),
            scorer: Arc::new(ExactResult {
                answer_after: String::new(),
            }),
            max_new_tokens: 1,
        },
        epochs: 1,
    };
    let (clock, optimizer) = (Clock::start(), train.optimizer());
    let context = TaskContext {
        index: 0,
        count: 1,
        first: 0,
        task: &task,
        clock: &clock,
        optimizer: &optimizer,
    };
    let (model, optimizer) = SeqFt.begin_task(model, context)?;
    let training = TaskTraining {
        task: "probe",
        config: &train,
        rows: &twice,
        validation: None,
        epochs: 1,
        seed: 0,
    };
    let mut begun = Instant::now();
    let (mut seconds, mut tokens) = (f64::NAN, 0);
    let outcome = fit(
        Training::new(model, optimizer),
        training,
        &SeqFt,
        &mut |event| {
            match event {
                TrainEvent::Stepped(step) => tokens = step.tokens,
                TrainEvent::Settled(_) => {
                    seconds = begun.elapsed().as_secs_f64();
                    begun = Instant::now();
                }
                TrainEvent::Validated(_) => {}
            }
            Ok(())
        },
    );
    match outcome {
        Ok(_) => Ok((seconds, tokens)),
        // What it would have learned does not matter, if a step was timed.
        Err(ContinualError::Diverged { .. }) if tokens > 0 => Ok((seconds, tokens)),
        Err(error) => Err(error).context("the probe of a training step"),
    }
}
