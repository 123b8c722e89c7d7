//! The card of a trained model: `README.md` in Hugging Face's format.

use std::fmt::Write;

use anyhow::Result;
use continual::Figure;
use continual::method::LayerTable;
use report::page::{empty_table, html_page, with_numbers};
use report::record::Manifest;

use crate::carried::LearnedTask;
use crate::measure::{SetChange, SetMeasure, WeightChange};
use crate::pictures;

/// Longest text of a prompt or an answer in a card, in characters.
const LONGEST: usize = 300;

/// An answer that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// The prompt as text.
    pub prompt: String,
    /// The expected answer.
    pub reference: String,
    /// The answer before.
    pub before: String,
    /// The answer after.
    pub after: String,
}

/// Everything that a card says.
pub struct Card {
    /// The model that the task started from.
    pub base_model: String,
    /// The task.
    pub task: LearnedTask,
    /// Format of its rows.
    pub format: &'static str,
    /// The measurements on its held-out rows.
    pub learned: SetChange,
    /// The measurements on the held-out rows of earlier tasks.
    pub earlier: Vec<SetChange>,
    /// The measurements on texts.
    pub texts: Vec<SetChange>,
    /// The section on general ability, if suites were measured.
    pub general: Option<String>,
    /// The change of all weights.
    pub weights: WeightChange,
    /// Divergence of the predictions on the task's held-out rows, in nats per token.
    pub divergence: f64,
    /// Number of trained scalars.
    pub trained: usize,
    /// The method's figures.
    pub figures: Vec<Figure>,
    /// Training time in seconds.
    pub seconds: f64,
    /// The method's tables, each with its title.
    pub layers: Vec<(String, String)>,
    /// The method's figures of every layer.
    pub layer_table: LayerTable,
    /// Answers that changed.
    pub changed: Vec<Changed>,
    /// Loss of every step.
    pub losses: Vec<f64>,
    /// Origin of the run.
    pub manifest: Manifest,
}

/// What was gained and what was lost, as a table.
pub fn table(card: &Card) -> String {
    let mut table = empty_table(true);
    table.set_header([
        "held-out rows of",
        "loss before",
        "after",
        "exact % before",
        "after",
        "ROUGE-L before",
        "after",
    ]);
    let loss = |measure: &SetMeasure| match measure.tokens {
        0 => "–".to_string(),
        _ => format!("{:.3}", measure.loss),
    };
    let percent = |value: Option<f64>| value.map_or("–".to_string(), |v| format!("{v:.1}"));
    let mut row = |what: String, set: &SetChange| {
        let SetChange { before, after, .. } = set;
        table.add_row([
            what,
            loss(before),
            loss(after),
            percent(before.exact),
            percent(after.exact),
            percent(before.rouge_l),
            percent(after.rouge_l),
        ]);
    };
    row(format!("{} (new)", card.learned.name), &card.learned);
    for set in &card.earlier {
        row(set.name.clone(), set);
    }
    for set in &card.texts {
        row(format!("text {}", set.name), set);
    }
    with_numbers(table)
}

impl Card {
    /// The card with the front matter that Hugging Face reads; `library` is the one that loads the folder.
    pub fn markdown(&self, library: &str) -> String {
        let base = serde_json::Value::from(self.base_model.as_str());
        format!(
            "---\nbase_model: {base}\nlibrary_name: {library}\npipeline_tag: text-generation\ntags:\n\
             - continual-learning\n- osft\n---\n\n{}",
            self.text(["", ""])
        )
    }

    /// The card as one HTML file, with pictures of the losses and of what is frozen in every layer.
    ///
    /// # Errors
    ///
    /// If a picture cannot be drawn.
    pub fn html(&self) -> Result<String> {
        let losses = pictures::losses(&self.task.name, &self.losses)?;
        let shares = pictures::frozen_shares(&self.layer_table)?;
        let markdown = self.text([
            "![Loss of the steps](loss.svg)\n\n",
            "![Frozen directions of every layer](shares.svg)\n\n",
        ]);
        let picture = |name: &str| match name {
            "loss.svg" => losses.clone(),
            _ => shares.clone(),
        };
        Ok(html_page(&self.task.name, &markdown, &picture))
    }

    /// The card without front matter; `losses` stands after what was gained and lost, `shares` after how far the
    /// model moved.
    fn text(&self, [losses, shares]: [&str; 2]) -> String {
        let mut text = String::new();
        let base = &self.base_model;
        let task = &self.task;
        let _ = write!(text, "# {}\n\n", task.name);
        let _ = write!(
            text,
            "`{base}` after it learned the task `{}` from {} rows ({}) by {}: {} epochs, peak learning rate {:e}, seed \
             {}, {} trained numbers, {:.0} s.\n\n",
            task.name,
            task.rows,
            self.format,
            task.label,
            task.epochs,
            task.learning_rate,
            task.seed,
            self.trained,
            self.seconds,
        );
        let _ = write!(
            text,
            "## What was gained and what was lost\n\n{}\n\n{}\n\n{losses}",
            table(self),
            self.legend()
        );
        if let Some(general) = &self.general {
            let _ = write!(text, "\n\n{}", general.trim_end());
            text.push_str("\n\n");
        }
        self.write_movement(&mut text);
        text.push_str(shares);
        if !self.changed.is_empty() {
            text.push_str("## Answers that changed\n\n");
            for changed in &self.changed {
                let _ = write!(
                    text,
                    "Prompt:\n\n{}\nExpected:\n\n{}\nBefore:\n\n{}\nAfter:\n\n{}\n---\n\n",
                    block(&changed.prompt),
                    block(&changed.reference),
                    block(&changed.before),
                    block(&changed.after)
                );
            }
        }
        for (title, table) in &self.layers {
            let _ = write!(text, "## {title}\n\n```text\n{}\n```\n\n", table.trim_end());
        }
        let _ = write!(
            text,
            "{}{}\n\nThe {} rows as tokens have SHA-256 `{}`.\n",
            self.manifest.remarks(),
            self.manifest.origin(),
            task.rows,
            task.rows_sha256
        );
        text
    }

    fn legend(&self) -> String {
        let mut text =
            "Loss is the mean negative log-likelihood per answer token, in nats.".to_string();
        let questions = self.learned.before.questions;
        if questions > 0 {
            let _ = write!(
                text,
                " {questions} held-out prompts were answered greedily by both models; *exact* is the share of answers \
                 that equal the expected one."
            );
        }
        if self.learned.before.tokens == 0 {
            text.push_str(" No row was held out: what the task gained was not measured.");
        }
        if self.earlier.is_empty() && self.texts.is_empty() {
            text.push_str(
                " Nothing else was measured: give `--text FILE` to see what else the model lost.",
            );
        }
        text
    }

    fn write_movement(&self, text: &mut String) {
        let _ = write!(
            text,
            "## How far the model moved\n\n- weights: ‖ΔW‖ {:.3}, {:.2e} of ‖W‖\n",
            self.weights.norm, self.weights.relative
        );
        if self.learned.before.tokens > 0 {
            let _ = writeln!(
                text,
                "- predictions on the task's held-out rows: KL(before ‖ after) {:.4} nats per token",
                self.divergence
            );
        }
        for figure in &self.figures {
            let value = figure.notation.text(figure.value);
            let _ = writeln!(text, "- {}: {value} ({})", figure.name, figure.meaning);
        }
        text.push('\n');
    }
}

/// A text as a block of code, which shows every character; long ones are cut, and say so.
fn block(text: &str) -> String {
    let cut: String = text.chars().take(LONGEST).collect();
    let more = match text.chars().count() - cut.chars().count() {
        0 => String::new(),
        more => format!("\n    … {more} characters more"),
    };
    let lines: Vec<String> = cut.lines().map(|line| format!("    {line}")).collect();
    format!("{}{more}\n", lines.join("\n"))
}
