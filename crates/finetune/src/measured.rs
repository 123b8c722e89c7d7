//! What a finished run is measured by, and what is made of it.

use std::path::Path;

use anyhow::{Context, Result};
use benchmarks::Score;
use burn::module::Module;
use continual::{ContinualError, evaluate};
use lm::{Decoding, ExportPrecision, HfFolder, Model};
use report::record::Manifest;
use runs::base::BaseModel;
use runs::job::Outcome;
use runs::settings::RunConfig;
use runs::suites::GeneralSuites;
use runs::{Progress, interrupt};

use crate::card::{self, Card, Changed};
use crate::carried::{LearnedTask, State};
use crate::export::{self, Export};
use crate::measure::{SetChange, SetMeasure, kl_divergence, token_loss, weight_change};
use crate::settings;
use crate::task::{HeldOut, OwnTask};

/// Number of changed answers that a card shows.
const SHOWN_ANSWERS: usize = 8;
/// Tokens of a pass that measures losses where training has no limit.
const MEASURED_TOKENS: usize = 2048;

/// Everything that a finished run is measured by.
pub struct Measured<'a> {
    /// Settings of the run.
    pub config: &'a RunConfig,
    /// The model that the task starts from.
    pub base: &'a BaseModel,
    /// The task.
    pub task: &'a OwnTask,
    /// Held-out rows of the earlier tasks.
    pub earlier: &'a [HeldOut],
    /// Texts whose loss is measured, by name.
    pub texts: &'a [(String, Vec<lm::Example>)],
    /// Suites of general ability, with the scores of the base model.
    pub suites: Option<&'a GeneralSuites>,
    /// The tasks learned before, if there are any.
    pub state: Option<&'a State>,
}

impl Measured<'_> {
    /// Measures a trained model and exports it into the run's folder.
    ///
    /// # Errors
    ///
    /// If an answer cannot be decoded, or the model cannot be written.
    pub fn export(&self, manifest: &Manifest, outcome: &Outcome, running: &Path) -> Result<()> {
        let own = settings::rows(self.config)?;
        let method = settings::method(self.config)?;
        // What is measured is what was written, rounded as it is there; adapters are not rounded.
        let precision = match export::ExportFormat::named(&own.format)? {
            export::ExportFormat::Adapter => ExportPrecision::F32,
            export::ExportFormat::Model => export::precision(&own.dtype)?,
        };
        let written = export::weights(self.base, outcome, precision, running)?;
        let device = self.config.backend.device()?;
        let before = self.base.model.valid();
        let after = HfFolder::open(&written)?.load::<Model>(&device)?.model;
        let sets = self.earlier.iter().chain([&self.task.held_out]);
        let rows: usize = sets
            .clone()
            .map(|set| 2 * (set.examples.len() + set.evaluation.questions.len()))
            .sum();
        let texts: usize = self.texts.iter().map(|(_, rows)| 2 * rows.len()).sum();
        let progress = Progress::new((rows + texts + self.task.held_out.examples.len()) as u64);
        let mut changes = Vec::new();
        let mut changed = Vec::new();
        for set in sets {
            let (change, answers) = self.set(set, &before, &after, &progress)?;
            if set.task == self.task.held_out.task {
                changed = answers;
            }
            changes.push(change);
        }
        let most = self.measured_tokens();
        let texts: Vec<SetChange> = (self.texts.iter())
            .map(|(name, rows)| SetChange {
                name: name.clone(),
                before: token_loss(&before, rows, most, &progress),
                after: token_loss(&after, rows, most, &progress),
            })
            .collect();
        let divergence = kl_divergence(&before, &after, &self.task.held_out.examples, &progress);
        progress.finish();
        let general = match self.suites {
            Some(suites) => Some(self.general(suites, &after, running)?),
            None => None,
        };
        let learned = changes.pop().unwrap_or_default();
        let mut state = self.state.cloned().unwrap_or_else(|| State {
            format_version: crate::carried::FORMAT_VERSION,
            method: method.to_string(),
            weights: String::new(),
            method_files: Default::default(),
            tasks: Vec::new(),
        });
        state.tasks.push(LearnedTask {
            name: self.task.held_out.task.clone(),
            label: self.config.label(method)?,
            rows: self.task.rows,
            rows_sha256: self.task.prepared.rows()?.all,
            learning_rate: self.config.learning_rate(method),
            epochs: self.config.epochs,
            seed: self.config.seeds.first().copied().unwrap_or_default(),
            learned: (learned.before.tokens > 0).then(|| learned.clone()),
        });
        let card = Card {
            base_model: base_name(settings::model(self.config)?),
            task: state.tasks.last().cloned().context("a task was learned")?,
            format: self.task.format,
            learned,
            earlier: changes,
            texts,
            general,
            weights: weight_change(&before, &after),
            divergence,
            trained: outcome.result.trainable_parameters,
            figures: outcome.result.figures.clone(),
            seconds: outcome.result.training_seconds,
            layers: outcome.texts.clone(),
            layer_table: outcome
                .diagnostics
                .last()
                .map(|task| task.layers.clone())
                .unwrap_or_default(),
            changed,
            losses: losses(&running.join("metrics.jsonl")),
            manifest: manifest.clone(),
        };
        println!("{}", card::table(&card));
        let held_out: Vec<&[String]> = (self.earlier.iter())
            .chain([&self.task.held_out])
            .map(|set| set.lines.as_slice())
            .collect();
        let on_hub = runs::on_hub(settings::model(self.config)?);
        // PEFT finds a folder of the hub by its name; what was unpacked from a file is here alone.
        let on_hub = on_hub.filter(|reference| reference.file().is_none());
        let named = on_hub
            .as_ref()
            .map(|reference| (reference.model(), reference.named_revision()));
        export::export(&Export {
            base: self.base,
            hub_name: named,
            outcome,
            state,
            format: export::ExportFormat::named(&own.format)?,
            held_out: &held_out,
            card: &card,
            running,
        })
    }

    /// Most tokens of a pass that measures losses.
    fn measured_tokens(&self) -> usize {
        match self.config.train.max_tokens {
            0 => MEASURED_TOKENS,
            most => most,
        }
    }

    /// Measures the trained model on the suites, and returns the section of the card.
    fn general(&self, suites: &GeneralSuites, after: &Model, running: &Path) -> Result<String> {
        let progress = Progress::new(suites.rows() as u64);
        let scores = suites.measure(after, self.base, &mut |suite, rows| {
            progress.advance(rows as u64, &format!("trained model · {suite}"));
            Ok(())
        })?;
        progress.finish();
        println!("{}\n", suites.table(&scores)?);
        let json = serde_json::to_string(
            &serde_json::json!({"before": suites.before_training(), "after": scores}),
        )?;
        let path = running.join(export::GENERAL);
        std::fs::write(&path, json).with_context(|| format!("cannot write {}", path.display()))?;
        suites.section("before and after", &scores)
    }

    /// Measures both models on a set of rows, and finds answers that changed.
    fn set(
        &self,
        set: &HeldOut,
        before: &Model,
        after: &Model,
        progress: &Progress,
    ) -> Result<(SetChange, Vec<Changed>)> {
        let most = self.measured_tokens();
        let questions = &set.evaluation.questions;
        let texts: Vec<(&str, &str)> = questions
            .iter()
            .map(|question| (question.prompt.as_str(), question.reference.as_str()))
            .collect();
        let (prompts, references): (Vec<&str>, Vec<&str>) = texts.into_iter().unzip();
        let measure = |model: &Model| {
            let losses = token_loss(model, &set.examples, most, progress);
            if questions.is_empty() {
                return anyhow::Ok((losses, Vec::new()));
            }
            let tokenizer = &self.base.tokenizer;
            let batch = self.config.evaluation_batch;
            let evaluation = evaluate(
                model,
                tokenizer,
                &set.evaluation,
                batch,
                Decoding::Greedy,
                &mut |count| {
                    progress.advance(count as u64, "answering held-out questions");
                    match interrupt::requested() {
                        true => Err(ContinualError::Interrupted),
                        false => Ok(()),
                    }
                },
            )?;
            let answers: Vec<&str> = evaluation.answers.iter().map(String::as_str).collect();
            let rouge_l = Score::rouge_l().task_score(&prompts, &answers, &references);
            let measure = SetMeasure {
                exact: Some(evaluation.score),
                rouge_l: Some(rouge_l),
                questions: questions.len(),
                ..losses
            };
            Ok((measure, evaluation.answers))
        };
        let (measure_before, answers_before) = measure(before)?;
        let (measure_after, answers_after) = measure(after)?;
        let pairs = answers_before.into_iter().zip(answers_after);
        let changed = questions.iter().zip(pairs);
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

/// The name of a model: that on the hub, or that of its folder or file.
fn base_name(model: &Path) -> String {
    if let Some(reference) = runs::on_hub(model) {
        return reference.model().to_string();
    }
    // `.` and `..` have no name of their own.
    let path = match model.file_name() {
        Some(_) => Ok(model.to_path_buf()),
        None => std::fs::canonicalize(model),
    };
    let path = path.unwrap_or_default();
    let name = path.file_name();
    name.map_or_else(
        || model.to_string_lossy().into_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// The losses of all steps in a log; what cannot be read is left out.
fn losses(log: &Path) -> Vec<f64> {
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let step = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        (line["event"] == "step").then(|| line["loss"].as_f64())?
    };
    log.lines().filter_map(step).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_model_has_the_name_that_a_reader_finds_it_by() {
        let name = |path: &str| base_name(Path::new(path));
        let on_hub = "HuggingFaceTB/SmolLM2-135M-Instruct";
        assert_eq!(name(on_hub), on_hub);
        assert_eq!(name(&format!("{on_hub}@main")), on_hub);
        assert_eq!(name(&format!("{on_hub}/model.Q8_0.gguf")), on_hub);
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("taught");
        std::fs::create_dir(&model).unwrap();
        assert_eq!(base_name(&model), "taught");
        assert_eq!(base_name(&model.join(".")), "taught");
        let file = folder.path().join("model.gguf");
        std::fs::write(&file, "").unwrap();
        assert_eq!(base_name(&file), "model.gguf");
    }
}
