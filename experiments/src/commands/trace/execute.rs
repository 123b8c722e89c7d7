//! One method on one sequence, with progress.

use anyhow::{Context, Result};
use continual::methods::{LoraMethod, OsftMethod, SeqFt};
use continual::{CalibrationData, Event, Method, Scoring, SequenceConfig, run_sequence};
use lm::Llama;
use osft::OsftConfig;

use super::Base;
use super::prepare::Prepared;
use crate::config::{MethodName, RunConfig};
use crate::progress::Progress;
use crate::run::{RunResult, layers_csv, layers_table};
use crate::variant::label;

/// What one method with one seed gave.
pub struct Outcome {
    /// Its numbers.
    pub result: RunResult,
    /// The split of the first task, layer by layer.
    pub split_table: Option<String>,
    /// What the last task did, layer by layer.
    pub change_table: Option<String>,
    /// What every task did, layer by layer.
    pub layers_csv: String,
    /// What the method carries from task to task, as files by name.
    pub state_files: Vec<(String, Vec<u8>)>,
}

/// Rows that one run trains on and questions that it answers: the unit of progress.
pub fn work(config: &RunConfig, prepared: &Prepared) -> usize {
    let tasks = &prepared.tasks;
    let scoring = Scoring::from(config.scoring);
    let training: usize = tasks
        .iter()
        .map(|task| task.epochs * task.train.len())
        .sum();
    let mut answering = 0;
    for learned in 0..=tasks.len() {
        for (index, task) in tasks.iter().enumerate() {
            if scoring.measures(learned, index, tasks.len()) {
                answering += task.evaluation.questions.len();
            }
        }
    }
    let general = prepared
        .general
        .as_ref()
        .map_or(0, |set| 2 * set.questions.len());
    training + answering + general
}

/// Runs `method` over the tasks from the base model; `on_event` logs what happens.
pub fn sequence(
    config: &RunConfig,
    base: &Base,
    prepared: &Prepared,
    method: MethodName,
    seed: u64,
    progress: &Progress,
    on_event: &mut dyn FnMut(&str, &Event<'_>) -> Result<()>,
) -> Result<Outcome> {
    let (label, mut implementation) =
        implementation(config, method, seed, base.calibration.as_ref())?;
    let settings = SequenceConfig {
        train: config.train_config(method),
        scoring: config.scoring.into(),
        evaluation_batch: config.evaluation_batch,
        seed,
    };
    let mut logged = Ok(());
    let name = |task: usize| prepared.tasks[task].name.as_str();
    let batch = settings.train.global_batch;
    let outcome = run_sequence(
        base.model.clone(),
        &base.tokenizer,
        &prepared.tasks,
        prepared.general.as_ref(),
        implementation.as_mut(),
        &settings,
        &mut |event| {
            match &event {
                Event::Stepped { task, step } => {
                    let rows = prepared.tasks[*task].train.len();
                    let per_epoch = rows.div_ceil(batch);
                    // The last step of an epoch may be smaller.
                    let last = step.step.is_multiple_of(per_epoch);
                    let count = if last {
                        rows - (per_epoch - 1) * batch
                    } else {
                        batch
                    };
                    let message = format!("{label} · {} · loss {:.3}", name(*task), step.loss);
                    progress.advance(count as u64, &message);
                }
                Event::Scored {
                    learned,
                    task,
                    answers,
                    score,
                } => {
                    let what = task.map_or("general", name);
                    let message = format!("{label} · after {learned} tasks · {what} {score:.1}");
                    progress.advance(answers.len() as u64, &message);
                }
                Event::TaskLearned {
                    task,
                    seconds,
                    diagnostics,
                } => {
                    let leak = diagnostics.leaks.as_ref().map_or(String::new(), |leaks| {
                        let worst = leaks.worst();
                        format!(", leak {:.0e} / {:.0e}", worst.leak_in, worst.leak_out)
                    });
                    for warning in &diagnostics.warnings {
                        progress.line(&format!("{label}: warning: {warning}"));
                    }
                    progress.line(&format!(
                        "{label}: learned {} in {seconds:.1} s{leak}",
                        name(*task)
                    ));
                }
                Event::TaskStarted { .. } => {}
            }
            if logged.is_ok() {
                logged = on_event(&label, &event);
            }
        },
    )
    .with_context(|| format!("{label} with seed {seed}"))?;
    logged?;
    Ok(Outcome {
        result: RunResult::new(&label, seed, config.learning_rate(method), &outcome),
        split_table: outcome.diagnostics.first().and_then(|d| d.table.clone()),
        change_table: layers_table(&outcome.diagnostics),
        layers_csv: layers_csv(outcome.matrix.tasks(), &outcome.diagnostics)?,
        state_files: match config.calibration.save {
            true => implementation.state_files()?,
            false => Vec::new(),
        },
    })
}

/// The method and its name in reports.
fn implementation(
    config: &RunConfig,
    method: MethodName,
    seed: u64,
    calibration: Option<&CalibrationData>,
) -> Result<(String, Box<dyn Method<Llama>>)> {
    let named =
        |implementation: Box<dyn Method<Llama>>| (method.name().to_string(), implementation);
    let osft = |config: &OsftConfig| -> (String, Box<dyn Method<Llama>>) {
        let method = OsftMethod::new(config.clone());
        let method = match calibration {
            Some(data) => method.with_calibration(data.clone()),
            None => method,
        };
        (label(config), Box::new(method))
    };
    Ok(match method {
        MethodName::Seqft => named(Box::new(SeqFt)),
        MethodName::Lora => named(Box::new(LoraMethod::sequential(config.lora.clone(), seed)?)),
        MethodName::OLora => named(Box::new(LoraMethod::orthogonal(
            config.o_lora.clone(),
            seed,
        )?)),
        MethodName::OsftPaper => osft(&config.osft_paper),
        MethodName::Osft => osft(&config.osft),
    })
}
