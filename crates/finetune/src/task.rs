//! From the files of rows to a task, and to the rows that are held out.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use burn::data::dataset::InMemDataset;
use chrono::NaiveDate;
use continual::{EvaluationSet, Question, Task};
use lm::{ChatTemplate, Example, Framing, HfFolder, LmError, TextTokenizer};
use rows::{Encoded, Encoder, Limits, Row, RowSet, Source, divided};
use runs::data::PreparedTasks;
use runs::settings::{RowsConfig, RunConfig};

use crate::carried::{State, held_out_file};
use crate::measure::ExactResult;
use crate::remarks::{asked_raw, remarks, unread};
use crate::settings;

/// What a model folder needs to turn rows into tokens.
pub struct TaskReader {
    tokenizer: TextTokenizer,
    /// An error concerns only the rows that are written with the template.
    template: Result<Option<ChatTemplate>, Arc<LmError>>,
    limits: Limits,
}

/// A task with the rows that are held out from it.
pub struct OwnTask {
    /// The task, as a sequence learns it.
    pub prepared: PreparedTasks,
    /// Rows that are not learned from.
    pub held_out: HeldOut,
    /// The rows to learn from, by name of their format.
    pub format: &'static str,
    /// Number of rows to learn from.
    pub rows: usize,
}

/// Rows that a task was not learned from.
#[derive(Clone)]
pub struct HeldOut {
    /// Name of the task.
    pub task: String,
    /// The rows as JSON, one per line.
    pub lines: Vec<String>,
    /// Their tokens.
    pub examples: Vec<Example>,
    /// Their prompts with the expected answers; without questions for texts.
    pub evaluation: EvaluationSet,
    /// What was cut of them, in sentences.
    pub remarks: Vec<String>,
}

impl TaskReader {
    /// Opens the tokenizer and the chat template of a model folder.
    ///
    /// # Errors
    ///
    /// If the tokenizer or the settings of rows cannot be read.
    pub fn open(folder: &HfFolder, config: &RunConfig) -> Result<Self> {
        let rows = settings::rows(config)?;
        let tokenizer = folder.tokenizer()?;
        Ok(Self {
            limits: Limits {
                max_length: config.max_length,
                max_new_tokens: match tokenizer.framing() {
                    // A prompt and its answer share the length.
                    Framing::Continuation => rows.max_new_tokens.min(config.max_length / 2).max(1),
                    Framing::TextToText => rows.max_new_tokens.max(1),
                },
                embeddings: folder.embeddings().unwrap_or(tokenizer.vocabulary_size()),
            },
            template: folder.chat_template(day(&rows.today)?).map_err(Arc::new),
            tokenizer,
        })
    }

    /// Turns these rows into tokens.
    ///
    /// # Errors
    ///
    /// If any of them is written with the chat template and that cannot be used.
    pub fn encoder(&self, rows: &[Row]) -> Result<Encoder<'_>> {
        let template = match &self.template {
            Ok(template) => template.as_ref(),
            Err(error) if rows.iter().any(|row| row.content.reads_template()) => {
                return Err(error.clone().into());
            }
            Err(_) => None,
        };
        Ok(Encoder {
            tokenizer: &self.tokenizer,
            template,
            limits: self.limits,
        })
    }

    /// A sentence about a chat template that cannot be used, and that no row needed.
    pub fn unusable_template(&self) -> Option<String> {
        let error = self.template.as_ref().err()?;
        Some(format!(
            "the rows need no chat template, and that of the model cannot be used: {error}"
        ))
    }

    /// Reads the rows of a task with this name, and those that are held out.
    ///
    /// # Errors
    ///
    /// If a file or a row cannot be used; the message names it.
    pub fn task(&self, config: &RunConfig, name: &str) -> Result<OwnTask> {
        let own = settings::rows(config)?;
        let (set, valid) = read(own)?;
        let encoder = self.encoder(&set.rows)?;
        let encoded = encoder.rows(&set.rows)?;
        let held_out = self.held_out(name, &valid, own)?;
        let mut remarks = remarks(&encoded, config.max_length, "training");
        remarks.extend(held_out.remarks.iter().cloned());
        remarks.extend(unread(&set));
        remarks.extend(self.unusable_template());
        remarks.extend(asked_raw(&set, encoder.template.is_some()).map(String::from));
        let shared = rows::check::shared(&set.rows, &valid).len();
        if shared > 0 {
            remarks.push(format!(
                "{shared} of {} training rows have a prompt that is held out too: what is measured on those was learned",
                set.rows.len()
            ));
        }
        let most = config.train.max_tokens;
        let longer = |row: &&Encoded| row.examples.iter().any(|example| example.len() > most);
        let longer = encoded.iter().filter(longer).count();
        if most > 0 && longer > 0 {
            remarks.push(format!(
                "{longer} of {} training rows are longer than max_tokens = {most}: each has a micro-batch of its own",
                encoded.len()
            ));
        }
        let learned = encoded.iter().filter(|row| !row.examples.is_empty());
        let learned = learned.count();
        let advice = match encoded.iter().any(|row| row.lost.any()) {
            true => "give a larger --max-length",
            false => "rows of prompt and answer are learned without a chat template",
        };
        let mut examples = Vec::new();
        for (row, encoded) in set.rows.iter().zip(encoded) {
            for _ in 1..row.repeats {
                examples.extend(encoded.examples.iter().cloned());
            }
            examples.extend(encoded.examples);
        }
        if examples.is_empty() {
            bail!("no training row is left ({}): {advice}", remarks.join("; "));
        }
        let task = Task {
            name: name.to_string(),
            train: Arc::new(InMemDataset::new(examples)),
            validation: match held_out.examples.is_empty() {
                true => None,
                false => Some(Arc::new(InMemDataset::new(held_out.examples.clone()))),
            },
            // Measured before and after the run, not scored within it.
            evaluation: EvaluationSet {
                questions: Vec::new(),
                max_new_tokens: self.limits.max_new_tokens,
                ..held_out.evaluation.clone()
            },
            epochs: config.epochs.max(1),
        };
        Ok(OwnTask {
            rows: learned,
            format: set.format.name(),
            prepared: PreparedTasks::unscored(vec![task], remarks),
            held_out,
        })
    }

    /// Rows that are not learned from, as tokens and questions.
    ///
    /// # Errors
    ///
    /// If a row cannot be used.
    pub fn held_out(&self, task: &str, rows: &[Row], own: &RowsConfig) -> Result<HeldOut> {
        let encoder = self.encoder(rows)?;
        let encoded = encoder.rows(rows)?;
        let asked = rows.iter().take(own.questions);
        let asked = asked.filter_map(|row| encoder.question(row).transpose());
        let asked = asked.collect::<Result<Vec<_>, _>>()?;
        let kind = format!("held-out ({task})");
        let mut remarks = remarks(&encoded, self.limits.max_length, &kind);
        let cut = asked.iter().filter(|question| question.lost > 0).count();
        if cut > 0 {
            remarks.push(format!(
                "{cut} of {} {kind} prompts lose tokens, so that an answer of {} tokens fits behind them",
                asked.len(),
                self.limits.max_new_tokens
            ));
        }
        let limit = self.limits.max_new_tokens;
        if limit < own.max_new_tokens && !asked.is_empty() {
            remarks.push(format!(
                "answers to {kind} prompts have at most {limit} tokens, half of max_length, and not {}",
                own.max_new_tokens
            ));
        }
        let mut longer = 0;
        for question in &asked {
            let length = self.tokenizer.encode(&question.reference, false)?.len();
            longer += usize::from(length > limit);
        }
        if longer > 0 {
            remarks.push(format!(
                "{longer} of {} expected {kind} answers have more than {limit} tokens: they can never be exact, and \
                 ROUGE-L compares with a part of them; give a larger --max-new-tokens",
                asked.len()
            ));
        }
        let questions = asked.into_iter().map(|question| Question {
            prompt: question.prompt,
            tokens: question.tokens,
            reference: question.reference,
        });
        Ok(HeldOut {
            task: task.to_string(),
            remarks,
            lines: rows.iter().map(|row| row.source.clone()).collect(),
            examples: encoded.into_iter().flat_map(|row| row.examples).collect(),
            evaluation: EvaluationSet {
                questions: questions.collect(),
                scorer: Arc::new(ExactResult {
                    answer_after: own.answer_after.clone(),
                }),
                max_new_tokens: self.limits.max_new_tokens,
            },
        })
    }

    /// The held-out rows of the tasks that a model has learned before; none of a task whose rows were removed.
    ///
    /// # Errors
    ///
    /// If a row cannot be used.
    pub fn earlier(
        &self,
        state: Option<&State>,
        model: &Path,
        own: &RowsConfig,
    ) -> Result<Vec<HeldOut>> {
        let mut found = Vec::new();
        for (index, task) in state.iter().flat_map(|state| &state.tasks).enumerate() {
            let path = held_out_file(model, index);
            let rows = match path.is_file() {
                true => RowSet::read(&[Source { path, weight: 1.0 }])?.rows,
                false => Vec::new(),
            };
            found.push(self.held_out(&task.name, &rows, own)?);
        }
        Ok(found)
    }

    /// The paragraphs of a text file, as tokens, and a sentence about what was cut. One that is too long is divided, unless
    /// the model is an encoder-decoder.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or has no text.
    pub fn text(&self, path: &Path) -> Result<(Vec<Example>, Option<String>)> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the text {}", path.display()))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let most = self.limits.max_length;
        let (mut examples, mut cut) = (Vec::new(), 0);
        for line in lines {
            if self.tokenizer.framing() == Framing::TextToText {
                cut += usize::from(self.tokenizer.encode(line, true)?.len() > most);
                examples.push(self.tokenizer.text(line, most, 0)?);
                continue;
            }
            let whole = self.tokenizer.text(line, usize::MAX, 0)?.answer;
            let pieces =
                divided(&whole, most).map(|piece| Example::new(Vec::new(), piece.to_vec()));
            examples.extend(pieces);
        }
        // Nothing precedes the first token, so that one alone says nothing.
        examples.retain(|example| example.len() > 1);
        anyhow::ensure!(
            !examples.is_empty(),
            "the text {} has no line with text",
            path.display()
        );
        let remark = format!(
            "{cut} lines of {} are cut to max_length = {most} tokens",
            path.display()
        );
        Ok((examples, (cut > 0).then_some(remark)))
    }
}

/// The rows to learn from and those that are held out.
///
/// # Errors
///
/// If a file or row cannot be used.
pub fn read(own: &RowsConfig) -> Result<(RowSet, Vec<Row>)> {
    let sources = sources(&own.files)?;
    let mut set = RowSet::read(&sources)?;
    let valid = match own.valid.as_str() {
        "none" => Vec::new(),
        share if share.parse::<f64>().is_ok() => set
            .hold_out(share.parse().unwrap_or_default(), 0)
            .context("rows to hold out (--valid; `--valid none` holds out none)")?,
        file => RowSet::read(&sources_of(file)?).context("--valid")?.rows,
    };
    Ok((set, valid))
}

fn sources(files: &[String]) -> Result<Vec<Source>> {
    let parsed = files.iter().map(|file| file.parse::<Source>());
    Ok(parsed.collect::<Result<_, _>>()?)
}

fn sources_of(file: &str) -> Result<Vec<Source>> {
    sources(&[file.to_string()])
}

/// The day that chat templates write.
fn day(text: &str) -> Result<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .with_context(|| format!("rows.today = {text:?}: expected YEAR-MONTH-DAY"))
}
