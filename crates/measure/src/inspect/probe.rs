//! The truncation probe: the loss on text when every target loses its smallest directions.

use anyhow::{Result, ensure};
use burn::module::Module;
use comfy_table::{CellAlignment, Table, presets};
use lm::{Example, LanguageModel, Model};
use osft::{Form, Osft, OsftConfig, SplitContext, SplitSource};

use super::spectra::is_sketched;
use super::{BATCH, of_source};
use report::picture::{Curve, CurvesPicture, curves};
use runs::Progress;

/// Shares of the directions to keep.
const SHARES: [f64; 5] = [0.9, 0.75, 0.5, 0.25, 0.1];

/// The description of the probe in the report.
pub const LEGEND: &str = "\
Mean negative log-likelihood per token, in nats, on texts that were not calibrated on, with only the \
largest share of the directions of every target kept: of its singular directions (`weights`), or of \
the directions of its inputs' second moment (`inputs`). Training in directions that the loss does not \
need disturbs nothing; in a model whose smallest singular directions are needed, the paper's split \
leaves the wrong ones free. A dash: inputs are so wide that fewer of their directions are known than are to be kept.";

/// Losses of the full model and of the truncated models.
pub struct Probe {
    full: f64,
    /// One loss per share, for truncation by the weights and by the inputs.
    weights: Vec<Option<f64>>,
    inputs: Vec<Option<f64>>,
}

/// Truncates the model at every share, by both sources.
pub fn run(
    model: &Model,
    config: &OsftConfig,
    context: &SplitContext<'_>,
    texts: &[Example],
) -> Result<Probe> {
    let progress = Progress::new(1 + 2 * SHARES.len() as u64);
    let full = loss(model, texts)?;
    progress.advance(1, "loss of the whole model");
    let mut losses = [Vec::new(), Vec::new()];
    for (source, losses) in [SplitSource::Weights, SplitSource::Inputs]
        .into_iter()
        .zip(&mut losses)
    {
        for share in SHARES {
            let config = of_source(config, source)
                .with_form(Form::Core)
                .with_protected_share(share);
            let split = Osft::split_in(model, &config, context)?;
            let mut layers = split.layers().iter();
            let keeps_less = layers.any(|layer| layer.lost_directions > 0 && is_sketched(layer));
            losses.push(match keeps_less {
                true => None,
                false => Some(loss(&split.truncate(model.clone())?, texts)?),
            });
            progress.advance(1, &format!("{share} of the directions kept"));
        }
    }
    progress.finish();
    let [weights, inputs] = losses;
    Ok(Probe {
        full,
        weights,
        inputs,
    })
}

/// Mean negative log-likelihood per predicted token.
pub fn loss(model: &Model, texts: &[Example]) -> Result<f64> {
    let model = model.valid();
    let predicted = |text: &&Example| model.target_count(text) > 0;
    let texts: Vec<Example> = texts.iter().filter(predicted).cloned().collect();
    ensure!(
        !texts.is_empty(),
        "no text of two tokens or more is left for the probe"
    );
    let (mut sum, mut count) = (0.0, 0);
    for batch in texts.chunks(BATCH) {
        let (loss, tokens) = model.answer_loss(batch);
        sum += f64::from(loss.into_scalar::<f32>());
        count += tokens;
    }
    Ok(sum / count as f64)
}

impl Probe {
    /// A table with one row per share.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["directions kept", "loss, weights", "loss, inputs"]);
        let number = |value: Option<f64>| value.map_or("–".to_string(), |v| format!("{v:.3}"));
        let full = number(Some(self.full));
        table.add_row(["all".to_string(), full.clone(), full]);
        for (index, share) in SHARES.iter().enumerate() {
            table.add_row([
                format!("{share}"),
                number(self.weights[index]),
                number(self.inputs[index]),
            ]);
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table.to_string()
    }

    /// A picture of the loss against the kept share, one curve per source.
    pub fn picture(&self) -> Result<String> {
        let line = |label, losses: &[Option<f64>]| Curve {
            label,
            points: SHARES
                .iter()
                .rev()
                .zip(losses.iter().rev())
                .filter_map(|(share, &loss)| Some((100.0 * share, loss?)))
                .chain([(100.0, self.full)])
                .collect(),
            spread: Vec::new(),
        };
        let highest = self.weights.iter().chain(&self.inputs).flatten().copied();
        curves(&CurvesPicture {
            title: "Loss without the smallest directions",
            x_label: "share of the directions kept, %",
            y_label: "loss per token, nats",
            x_ticks: &[],
            y_range: (0.0, highest.fold(self.full.max(1e-3), f64::max)),
            curves: &[line("weights", &self.weights), line("inputs", &self.inputs)],
        })
    }
}
