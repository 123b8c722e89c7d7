//! What a run computes: rows, micro-batches, steps, answers.

use std::sync::Arc;

use anyhow::{Context, Result};
use continual::trainer::{micro_batches, step_count};
use lm::{Example, HfFolder, PassNumbers};
use runs::settings::RunConfig;

use crate::carried::State;
use crate::settings;
use crate::task::TaskReader;

/// The tokens that one pass goes through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MicroBatch {
    /// Tokens of prompts, with padding.
    pub prompt: usize,
    /// Tokens of answers, with padding.
    pub answer: usize,
    /// Pairs of tokens whose scores exist at a time.
    pub pairs: usize,
    /// Whether its step has others.
    pub accumulates: bool,
    /// The same rows beside each other with padding, which a pass that compares probabilities goes through.
    pub unpacked: Unpacked,
}

/// Rows beside each other, padded to the longest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// Tokens of prompts, with padding.
    pub prompt: usize,
    /// Tokens of answers, with padding.
    pub answer: usize,
    /// Tokens of answers, without padding.
    pub answers: usize,
    /// Pairs of tokens whose scores exist at a time.
    pub pairs: usize,
}

impl Unpacked {
    fn of(rows: &[[usize; 2]]) -> Self {
        let longest = |part: usize| rows.iter().map(|row| row[part]).max().unwrap_or(0);
        let length = rows.iter().map(|row| row[0] + row[1]).max().unwrap_or(0);
        Self {
            prompt: rows.len() * longest(0),
            answer: rows.len() * longest(1),
            answers: rows.iter().map(|row| row[1]).sum(),
            pairs: rows.len() * length * length,
        }
    }

    /// The most of each.
    fn max(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.max(other.prompt),
            answer: self.answer.max(other.answer),
            answers: self.answers.max(other.answers),
            pairs: self.pairs.max(other.pairs),
        }
    }
}

/// The work of a run.
#[derive(Clone, Debug)]
pub struct Work {
    /// Lengths of the training rows: prompt, answer.
    rows: Vec<[usize; 2]>,
    /// The largest micro-batch.
    pub largest: MicroBatch,
    /// Tokens of an epoch.
    pub tokens: usize,
    /// Optimizer steps of the run.
    pub steps: usize,
    /// Tokens of the held-out rows of this task and of the earlier ones, and of texts.
    pub measured_tokens: usize,
    /// Held-out prompts that are answered.
    pub questions: usize,
    /// Longest of them, in tokens.
    pub longest_question: usize,
    /// Most answer tokens of a held-out row, whose probabilities are compared.
    pub longest_compared: usize,
    /// Mean length of an expected answer, in tokens.
    pub mean_answer: f64,
    /// Rows of the task that are calibrated on.
    pub calibrated_rows: usize,
    /// What the rows lose, in sentences.
    pub remarks: Vec<String>,
    /// Memory of this process in bytes, which has read the rows and no weights.
    pub program: usize,
    /// The training rows, for a probe.
    pub examples: Arc<Vec<Example>>,
}

impl Work {
    /// Reads the rows of a configuration.
    ///
    /// # Errors
    ///
    /// If a file or a row cannot be used.
    pub fn of(folder: &HfFolder, config: &RunConfig) -> Result<Self> {
        let own = settings::rows(config)?;
        let reader = TaskReader::open(folder, config)?;
        let task = reader.task(config, &settings::rows(config)?.task)?;
        let train = task.prepared.tasks[0].train.clone();
        let examples = (0..train.len()).map(|row| train.get(row));
        let examples: Vec<Example> = examples.collect::<Result<_, _>>()?;
        let state = State::read(folder.path())?;
        let mut held_out = reader.earlier(state.as_ref(), folder.path(), own)?;
        let compared = task.held_out.examples.iter();
        let longest_compared = compared.map(|row| row.answer.len()).max().unwrap_or(0);
        held_out.push(task.held_out);
        let mut measured_tokens: usize = (held_out.iter().flat_map(|set| &set.examples))
            .map(Example::len)
            .sum();
        for path in &own.texts {
            let (text, _) = reader.text(path)?;
            measured_tokens += text.iter().map(Example::len).sum::<usize>();
        }
        let questions = held_out.iter().flat_map(|set| &set.evaluation.questions);
        let rows: Vec<[usize; 2]> = (examples.iter())
            .map(|row| [row.prompt.len(), row.answer.len()])
            .collect();
        let answers: usize = rows.iter().map(|row| row[1]).sum();
        let count = rows.len();
        let calibrated = match config.calibration.rows_per_task {
            0 => count,
            rows => rows.min(count),
        };
        let work = Self {
            largest: MicroBatch::default(),
            tokens: rows.iter().flatten().sum(),
            steps: step_count(count, config.epochs.max(1), &config.train),
            measured_tokens,
            questions: questions.clone().count(),
            longest_question: questions.map(|q| q.tokens.len()).max().unwrap_or(0),
            longest_compared,
            mean_answer: answers as f64 / count.max(1) as f64,
            calibrated_rows: calibrated,
            remarks: task.prepared.remarks.clone(),
            program: resident(),
            rows,
            examples: Arc::new(examples),
        };
        Ok(work.with(config))
    }

    /// The same rows in the micro-batches of another configuration.
    pub fn with(&self, config: &RunConfig) -> Self {
        let mut sorted = self.rows.clone();
        sorted.sort_by_key(|row| row[0] + row[1]);
        let train = &config.train;
        let mut largest = MicroBatch::default();
        // Rows of a step have similar lengths.
        for step in sorted.chunks(train.global_batch.max(1)) {
            let lengths: Vec<usize> = step.iter().map(|row| row[0] + row[1]).collect();
            let batches =
                micro_batches(&lengths, train.micro_batch, train.max_tokens, train.packing);
            let accumulates = batches.len() > 1;
            for batch in batches {
                let found = MicroBatch {
                    accumulates,
                    ..MicroBatch::of(&step[batch], train.packing)
                };
                // The most of each: another micro-batch may have the longest row.
                let pairs = largest.pairs.max(found.pairs);
                let accumulates = largest.accumulates || accumulates;
                let unpacked = largest.unpacked.max(found.unpacked);
                if found.prompt + found.answer > largest.prompt + largest.answer {
                    largest = found;
                }
                (largest.pairs, largest.accumulates) = (pairs, accumulates);
                largest.unpacked = unpacked;
            }
        }
        Self {
            largest,
            ..self.clone()
        }
    }
}

impl MicroBatch {
    fn of(rows: &[[usize; 2]], packed: bool) -> Self {
        let sum = |part: usize| rows.iter().map(|row| row[part]).sum::<usize>();
        let length = rows.iter().map(|row| row[0] + row[1]).max().unwrap_or(0);
        let unpacked = Unpacked::of(rows);
        let (prompt, answer, pairs) = match packed {
            // One row after the other.
            true => (sum(0), sum(1), length * length),
            false => (unpacked.prompt, unpacked.answer, unpacked.pairs),
        };
        Self {
            prompt,
            answer,
            pairs,
            accumulates: false,
            unpacked,
        }
    }
}

/// What a pass over a model stores.
///
/// # Errors
///
/// If its family does not count that.
pub fn passes(folder: &HfFolder) -> Result<PassNumbers> {
    let passes = folder.pass_numbers();
    passes.with_context(|| {
        format!(
            "what a pass over {} stores is not known: its family does not count it",
            folder.path().display()
        )
    })
}

fn resident() -> usize {
    // Where the system does not say: what a tokenizer of 50,000 tokens takes.
    runs::memory::resident().map_or(100 << 20, |bytes| bytes as usize)
}
