//! Runs one method on one sequence, with progress.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result};
use burn::module::Module;
use continual::checkpoint::{Checkpoint, StatePart};
use continual::method::{ShownTask, Vocabulary};
use continual::{
    CheckpointPolicy, Method, MethodInputs, Probe, Sequence, SequenceConfig, TaskDiagnostics,
};
use evaluate::course::Stage;
use lm::Model;
use report::record::{RunFolder, RunResult, layers_csv};
use serde::Deserialize;

use super::progress::JobProgress;
use super::recorder::{Recorder, RecorderPolicy, StoppedOnly};
use super::work::Work;
use crate::base::BaseModel;
use crate::data::PreparedTasks;
use crate::progress::Progress;
use crate::screen::Screen;
use crate::settings::RunConfig;
use crate::suites::{GeneralSuites, SuitesProbe};

/// One method with one seed on the tasks of one order.
#[derive(Clone, Copy)]
pub struct Job<'a> {
    /// Settings of the run.
    pub config: &'a RunConfig,
    /// The model that it starts from.
    pub base: &'a BaseModel,
    /// The tasks.
    pub prepared: &'a PreparedTasks,
    /// The method.
    pub method: &'a str,
    /// The seed.
    pub seed: u64,
    /// Its name in the output.
    pub label: &'a str,
    /// Suites of general ability to measure in its course.
    pub suites: Option<&'a GeneralSuites>,
    /// The progress of all jobs together.
    pub progress: &'a Progress,
    /// Whether to draw it on the terminal, in burn-train's renderer.
    pub on_screen: bool,
}

/// The outcome of a job.
pub struct Outcome {
    /// Its numbers.
    pub result: RunResult,
    /// The texts that the method reports on the run, each with its title.
    pub texts: Vec<(String, String)>,
    /// The report on every task, layer by layer, as CSV.
    pub layers_csv: String,
    /// The method's report on every task.
    pub diagnostics: Vec<TaskDiagnostics>,
    /// The scores on suites of general ability in its course.
    pub suites: Vec<Stage>,
    /// The trained model.
    pub model: Model,
    /// The method after the last task.
    implementation: Box<dyn Method<Model>>,
}

impl Outcome {
    /// Writes what the method needs to protect the tasks of this sequence in a later one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn write_carried(&self, folder: &Path) -> Result<()> {
        for part in self.implementation.carried() {
            let path = folder.join(part.name());
            part.write_to(&path)?;
        }
        Ok(())
    }

    /// What was learned as an adapter, if the method learns one.
    pub fn adapter(&self) -> Option<lm::Adapter> {
        self.implementation.adapter()
    }

    /// Writes the method's state between tasks, without the weights.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn write_state(&self, folder: &RunFolder, stem: &str) -> Result<()> {
        for part in self.implementation.state() {
            let name = format!("{stem}-{}", part.name());
            folder.write_with(&name, |path| Ok(StatePart::write_to(part, path)?))?;
        }
        Ok(())
    }
}

/// What a job leaves of itself while it goes on.
pub enum Keeping<'a, 'b> {
    /// Its log and its checkpoints.
    Recorded(&'a RefCell<Recorder<'b>>),
    /// Nothing: another process begins it anew. It ends early after Ctrl-C and as soon as `stop` is set.
    Nothing {
        /// Set when another job ended with an error.
        stop: &'a AtomicBool,
    },
}

/// Checks that a method can take over what its base model carries, before anything is written.
///
/// # Errors
///
/// If settings differ from those of the earlier tasks where they may not, or what is carried is damaged.
pub fn check_carried(config: &RunConfig, base: &BaseModel, method: &str) -> Result<()> {
    if let Some(carried) = &base.carried {
        let mut implementation = build(config, base, method, 0)?;
        let parts = Checkpoint::of_parts(&carried.parts);
        implementation.take_over(&base.model, &parts)?;
    }
    Ok(())
}

/// The method with its settings.
fn build(
    config: &RunConfig,
    base: &BaseModel,
    method: &str,
    seed: u64,
) -> Result<Box<dyn Method<Model>>> {
    let known = base.tokenizer.vocabulary_size();
    let embeddings = base.folder.embeddings().unwrap_or(known);
    let inputs = MethodInputs {
        seed,
        calibration: base.calibration.as_ref(),
        cache: config.split_cache.as_deref(),
        vocabulary: Some(Vocabulary {
            size: known.min(embeddings),
            embeddings,
            ends: base.tokenizer.stop_tokens(),
        }),
    };
    Ok(config.kind(method)?.build(config.method(method), inputs)?)
}

/// Runs a method over the tasks, from the base model or from the recorder's latest checkpoint.
///
/// # Errors
///
/// The first error of training, scoring or saving; an interruption, once the run is saved.
pub fn sequence(job: &Job<'_>, keeping: Keeping<'_, '_>) -> Result<Outcome> {
    let Job {
        config,
        base,
        prepared,
        method,
        seed,
        label: name,
        suites,
        progress,
        on_screen,
    } = *job;
    let recorder = match keeping {
        Keeping::Recorded(recorder) => Some(recorder),
        Keeping::Nothing { .. } => None,
    };
    let mut implementation = build(config, base, method, seed)?;
    let latest = recorder.and_then(|recorder| recorder.borrow().latest());
    if let Some(latest) = &latest {
        latest.check()?;
    }
    // A checkpoint contains what the method took over.
    if let (Some(carried), None) = (&base.carried, &latest) {
        let parts = Checkpoint::of_parts(&carried.parts);
        implementation.take_over(&base.model, &parts)?;
    }
    let settings = SequenceConfig {
        learned_before: base.carried.as_ref().map_or(0, |carried| carried.tasks),
        train: config.train_config(method),
        scoring: config.scoring.into(),
        label_scores: config.label_scores,
        evaluation_batch: config.evaluation_batch,
        decoding: config.decoding.decoding(),
        seed,
    };
    let sequence = Sequence {
        tokenizer: &base.tokenizer,
        tasks: &prepared.tasks,
        general: prepared.general.as_ref(),
        config: &settings,
    };
    let policy: &mut dyn CheckpointPolicy = match keeping {
        Keeping::Recorded(recorder) => &mut RecorderPolicy(recorder),
        Keeping::Nothing { stop } => &mut StoppedOnly(stop),
    };
    let shown = JobProgress {
        name,
        work: Work::new(config, prepared, method)?.with_suites(suites),
        prepared,
        progress,
        rows: Cell::new(0),
        counted: Cell::new(0),
    };
    let mut screen = on_screen.then(|| {
        let tasks = prepared.tasks.iter().map(|task| task.name.clone());
        Screen::on_terminal(name, tasks.collect(), shown.work.stages(), progress)
    });
    // With leaves of its own: jobs at the same time would otherwise share one graph of the base's parameters.
    let devices = base.model.devices();
    let device = devices.first().context("the model has no parameters")?;
    let model = base.model.clone().fork(device);
    let probe = suites.map(|suites| SuitesProbe { suites, base });
    let probe: Option<&dyn Probe<Model>> = match &probe {
        Some(probe) => Some(probe),
        None => None,
    };
    let outcome = sequence.run_probed(
        model,
        implementation.as_mut(),
        latest.as_ref(),
        policy,
        probe,
        &mut |event| {
            shown.event(&event);
            if let Some(screen) = &mut screen {
                screen.event(&event);
            }
            if let Some(recorder) = recorder {
                recorder.borrow_mut().event(&event);
            }
        },
    );
    if screen.take().is_some() {
        progress.release();
    }
    if outcome.is_err() {
        shown.give_up();
    }
    // A logging failure ends the run like an interruption, so report its cause.
    if let Some(failure) = recorder.and_then(|recorder| recorder.borrow_mut().failure()) {
        return Err(failure);
    }
    let outcome = outcome.with_context(|| format!("{name} with seed {seed}"))?;
    let probed = outcome.probed.iter();
    let suites = probed.map(|probed| Stage::deserialize(&probed.found));
    let suites = suites
        .collect::<Result<_, _>>()
        .context("the scores of suites")?;
    Ok(Outcome {
        suites,
        result: RunResult {
            order: config.order.clone(),
            scored: prepared.scored_split().to_string(),
            ..RunResult::new(
                &config.label(method)?,
                seed,
                config.learning_rate(method),
                &outcome,
            )
        },
        texts: texts(&outcome.diagnostics),
        layers_csv: layers_csv(outcome.matrix.tasks(), &outcome.diagnostics)?,
        diagnostics: outcome.diagnostics,
        model: outcome.model,
        implementation,
    })
}

/// Texts of the first and the last task, as the method requests.
fn texts(diagnostics: &[TaskDiagnostics]) -> Vec<(String, String)> {
    let ends = [
        (diagnostics.first(), ShownTask::First, "in the first task"),
        (diagnostics.last(), ShownTask::Last, "in the last task"),
    ];
    let mut texts = Vec::new();
    for (task, shown, when) in ends {
        let tables = task.into_iter().flat_map(|task| &task.tables);
        for table in tables.filter(|table| table.shown == shown) {
            texts.push((format!("{} {when}", table.title), table.text.clone()));
        }
    }
    texts
}
