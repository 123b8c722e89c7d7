//! A run: reads, learns, measures, exports.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use burn::module::Module;
use lm::Model;
use report::record::{Manifest, RunFolder};
use runs::Progress;
use runs::base::BaseModel;
use runs::job::Outcome;
use runs::sequence::{SequenceRequest, run_prepared};
use runs::settings::RunConfig;

use crate::card::{self, Card, Changed};
use crate::carried::{LearnedTask, State, held_out_file};
use crate::export::{self, Export};
use crate::measure::{
    Asking, SetChange, SetMeasure, answers, kl_divergence, token_loss, weight_change,
};
use crate::settings;
use crate::task::{HeldOut, OwnTask, TaskReader};

/// Suffix of the folder in which a run stays until its model is complete.
const RUNNING: &str = ".running";
/// Number of changed answers that a card shows.
const SHOWN_ANSWERS: usize = 8;

/// Where a run goes.
#[derive(Clone, Copy, Debug)]
pub struct FinetuneRequest<'a> {
    /// Folder of the trained model; must not exist.
    pub out: &'a Path,
    /// Whether to go on with a run that was stopped.
    pub resume: bool,
    /// Whether to draw the run on the terminal, if there is one.
    pub tui: bool,
}

impl FinetuneRequest<'_> {
    /// The folder of the run while its model is not complete.
    pub fn running(&self) -> PathBuf {
        let mut name = self.out.file_name().unwrap_or_default().to_os_string();
        name.push(RUNNING);
        self.out.with_file_name(name)
    }

    /// Checks that the run neither overwrites anything nor goes on with nothing.
    ///
    /// # Errors
    ///
    /// If the output exists, or the run's folder does not fit `resume`.
    pub fn check(&self) -> Result<()> {
        let (out, running) = (self.out.display(), self.running());
        ensure!(
            self.out.file_name().is_some(),
            "--out {out}: expected the name of a new folder"
        );
        ensure!(
            !self.out.exists(),
            "{out} exists already; choose another --out, so that nothing is overwritten"
        );
        let ancestors = self.out.ancestors().skip(1);
        let nearest = ancestors.into_iter().find(|folder| folder.exists());
        ensure!(
            nearest.is_none_or(Path::is_dir),
            "--out {out} is below {}, which is not a folder",
            nearest.unwrap_or(self.out).display()
        );
        match (self.resume, running.is_dir()) {
            (false, true) => bail!(
                "a run to {out} was stopped before it was complete: add --resume to go on with it, or remove {}",
                running.display()
            ),
            (true, false) => bail!(
                "there is nothing to resume: {} does not exist",
                running.display()
            ),
            _ => Ok(()),
        }
    }
}

/// Learns one task, and writes the trained model with its card.
///
/// # Errors
///
/// An error in model, rows or output, before anything is learned; then the first error of the run.
pub fn run(config: &RunConfig, request: &FinetuneRequest<'_>) -> Result<()> {
    request.check()?;
    let method = settings::method(config)?.to_string();
    let own = settings::rows(config)?;
    let protocol = config.kind(&method)?.protocol();
    ensure!(
        protocol == continual::Protocol::Sequential,
        "{method} needs all tasks at once or a model for each: it cannot learn one more task"
    );
    export::precision(&own.dtype)?;
    let device = config.backend.device()?.autodiff();
    let mut base = BaseModel::open(config, &device)?;
    let source = base.folder.path().to_path_buf();
    let state = State::read(&source)?;
    if let Some(state) = &state {
        base.carried = Some(state.carried(&source, &method)?);
        if state.weights != base.fingerprint.weights {
            base.warnings.push(format!(
                "the weights of {} are not those that its tasks were learned with: what protects them is of the \
                 earlier weights",
                source.display()
            ));
        }
    }
    let reader = TaskReader::open(&base.folder, config)?;
    let task = reader.task(config)?;
    let earlier = earlier(&reader, state.as_ref(), &source, own.questions)?;
    let texts = own.texts.iter().map(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Ok((name.into_owned(), reader.text(path)?))
    });
    let texts: Vec<_> = texts.collect::<Result<_>>()?;
    base.calibrate(config)?;
    let running = request.running();
    let resumes = format!(
        "the same command with --resume (its folder is {})",
        running.display()
    );
    let sequence = SequenceRequest {
        out: Some(&running),
        resume: request.resume.then_some(running.as_path()),
        tui: request.tui,
        continue_with: Some(&resumes),
        ..SequenceRequest::default()
    };
    let measured = Measured {
        config,
        base: &base,
        task: &task,
        earlier: &earlier,
        texts: &texts,
        state: state.as_ref(),
    };
    let folder = run_prepared(
        config,
        &base,
        &task.prepared,
        &sequence,
        &mut |manifest, outcome| measured.export(manifest, outcome, &running),
    )?;
    complete(&folder, request.out)
}

/// The held-out rows of earlier tasks.
fn earlier(
    reader: &TaskReader,
    state: Option<&State>,
    model: &Path,
    questions: usize,
) -> Result<Vec<HeldOut>> {
    let mut found = Vec::new();
    for (index, task) in state.iter().flat_map(|state| &state.tasks).enumerate() {
        let file = held_out_file(model, index);
        let rows = match file.is_file() {
            true => {
                let source = rows::Source {
                    path: file,
                    weight: 1.0,
                };
                rows::RowSet::read(&[source])?.rows
            }
            false => Vec::new(),
        };
        found.push(reader.held_out(&task.name, &rows, questions)?);
    }
    Ok(found)
}

/// Everything that a finished run is measured by.
struct Measured<'a> {
    config: &'a RunConfig,
    base: &'a BaseModel,
    task: &'a OwnTask,
    earlier: &'a [HeldOut],
    texts: &'a [(String, Vec<lm::Example>)],
    state: Option<&'a State>,
}

impl Measured<'_> {
    /// Measures a trained model and exports it into the run's folder.
    fn export(&self, manifest: &Manifest, outcome: &Outcome, running: &Path) -> Result<()> {
        let own = settings::rows(self.config)?;
        let method = settings::method(self.config)?;
        let (before, after) = (self.base.model.valid(), outcome.model.valid());
        let sets = self.earlier.iter().chain([&self.task.held_out]);
        let rows: usize = sets
            .clone()
            .map(|set| 2 * (set.examples.len() + set.questions.len()))
            .sum();
        let texts: usize = self.texts.iter().map(|(_, rows)| 2 * rows.len()).sum();
        let progress = Progress::new((rows + texts + self.task.held_out.examples.len()) as u64);
        let mut changes = Vec::new();
        let mut changed = Vec::new();
        for set in sets {
            let (change, answers) = self.set(set, &before, &after, &progress)?;
            if set.task == own.task {
                changed = answers;
            }
            changes.push(change);
        }
        let most = self.config.train.max_tokens.max(1);
        let texts: Vec<SetChange> = (self.texts.iter())
            .map(|(name, rows)| SetChange {
                name: name.clone(),
                before: of_loss(&before, rows, most, &progress),
                after: of_loss(&after, rows, most, &progress),
            })
            .collect();
        let divergence = kl_divergence(&before, &after, &self.task.held_out.examples, &progress);
        progress.finish();
        let learned = changes.pop().unwrap_or_default();
        let mut state = self.state.cloned().unwrap_or_else(|| State {
            format_version: crate::carried::FORMAT_VERSION,
            method: method.to_string(),
            weights: String::new(),
            tasks: Vec::new(),
        });
        state.tasks.push(LearnedTask {
            name: own.task.clone(),
            label: self.config.label(method)?,
            rows: self.task.rows,
            rows_sha256: self.task.prepared.rows()?.all,
            learning_rate: self.config.learning_rate(method),
            epochs: self.config.epochs,
            seed: self.config.seeds.first().copied().unwrap_or_default(),
            learned: (learned.before.tokens > 0).then(|| learned.clone()),
        });
        let card = Card {
            title: own.task.clone(),
            base_model: self.base.folder.path().to_path_buf(),
            task: state.tasks.last().cloned().context("a task was learned")?,
            format: self.task.format,
            learned,
            earlier: changes,
            texts,
            weights: weight_change(&before, &after),
            divergence,
            trained: outcome.result.trainable_parameters,
            figures: outcome.result.figures.clone(),
            seconds: outcome.result.training_seconds,
            layers: outcome.texts.clone(),
            changed,
            manifest: manifest.clone(),
        };
        println!("{}", card::table(&card));
        let held_out: Vec<&[String]> = (self.earlier.iter())
            .chain([&self.task.held_out])
            .map(|set| set.lines.as_slice())
            .collect();
        export::export(&Export {
            base: self.base,
            outcome,
            precision: export::precision(&own.dtype)?,
            state,
            held_out: &held_out,
            card: &card,
            running,
        })
    }

    /// Measures both models on a set of rows, and finds answers that changed.
    fn set(
        &self,
        set: &HeldOut,
        before: &Model,
        after: &Model,
        progress: &Progress,
    ) -> Result<(SetChange, Vec<Changed>)> {
        let own = settings::rows(self.config)?;
        let asking = Asking {
            max_new_tokens: own.max_new_tokens,
            batch: self.config.evaluation_batch,
            answer_after: &own.answer_after,
        };
        let most = self.config.train.max_tokens.max(1);
        let measure = |model: &Model| {
            let answered = answers(
                model,
                &self.base.tokenizer,
                &set.questions,
                asking,
                progress,
            )?;
            let asked = !set.questions.is_empty();
            let measure = SetMeasure {
                exact: asked.then_some(answered.exact),
                rouge_l: asked.then_some(answered.rouge_l),
                questions: set.questions.len(),
                ..of_loss(model, &set.examples, most, progress)
            };
            anyhow::Ok((measure, answered.answers))
        };
        let (measure_before, answers_before) = measure(before)?;
        let (measure_after, answers_after) = measure(after)?;
        let pairs = answers_before.into_iter().zip(answers_after);
        let changed = set.questions.iter().zip(pairs);
        let changed = changed.filter(|(_, (before, after))| before.trim() != after.trim());
        let changed = changed.map(|(question, (before, after))| Changed {
            prompt: question.prompt.clone(),
            reference: question.reference.clone(),
            before,
            after,
        });
        let change = SetChange {
            name: set.task.clone(),
            before: measure_before,
            after: measure_after,
        };
        Ok((change, changed.take(SHOWN_ANSWERS).collect()))
    }
}

fn of_loss(model: &Model, rows: &[lm::Example], most: usize, progress: &Progress) -> SetMeasure {
    let loss = token_loss(model, rows, most, progress);
    SetMeasure {
        loss: loss.loss,
        tokens: loss.tokens,
        ..SetMeasure::default()
    }
}

/// Moves a complete model to its place, and removes the run's folder.
fn complete(folder: &RunFolder, out: &Path) -> Result<()> {
    export::complete(folder, out)?;
    println!(
        "\nmodel: {}\ncard:  {}",
        out.display(),
        out.join("README.md").display()
    );
    Ok(())
}
