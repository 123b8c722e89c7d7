//! OSFT's report on a task: how much of the change lies in protected directions, layer by layer.

use std::fmt::Write;

use ::osft::{LayerChange, LayerLeak, LayerSummary, LeakReport, Osft, OsftConfig, Others, Scaling};
use burn::module::Module;

use crate::method::{
    Column, Combine, Figure, LayerRow, LayerTable, Notation, ShownTask, TaskDiagnostics, TextTable,
};

/// The measurements after a task.
pub(super) struct Measured {
    /// How much of the change lies in protected directions.
    pub leaks: LeakReport,
    /// The same for the stored weights, if they are stored in less than full precision.
    pub stored_leaks: Option<LeakReport>,
    /// How far the layers' outputs have moved since the base model, over the base model's inputs.
    pub since_base: Option<Vec<LayerChange>>,
    /// Whether that is the model that an earlier sequence ended with: its own base is not carried.
    pub continues: bool,
}

impl Measured {
    /// How far the outputs of the layer at a path have moved: some targets are not split, such as shared ones.
    fn since_base_of(&self, path: &str) -> Option<&LayerChange> {
        let mut layers = self.since_base.iter().flatten();
        layers.find(|layer| layer.path == path)
    }
}

pub(super) fn diagnostics<M: Module>(
    config: &OsftConfig,
    split: &Osft,
    model: &M,
    measured: &Measured,
) -> TaskDiagnostics {
    let trained_beside_targets = match config.others {
        Others::Frozen => 0,
        Others::Trained => {
            let layers = split.layers().iter();
            let targets: usize = layers.map(|layer| layer.shape[0] * layer.shape[1]).sum();
            model.num_params() - targets
        }
    };
    let text = |title: &str, text: String, shown| TextTable {
        title: title.to_string(),
        text,
        shown,
    };
    let moved = moved_text(measured);
    let tables = std::iter::once(text("Split", split.to_string(), ShownTask::First))
        .chain(moved.map(|moved| text("What moved", moved, ShownTask::Last)));
    TaskDiagnostics {
        trainable_parameters: split.free_parameters() + trained_beside_targets,
        steps: 0,
        carried_bytes: None,
        figures: figures(config, measured),
        layers: layers(&split.summary(), measured),
        tables: tables.collect(),
        warnings: split.warnings().to_vec(),
    }
}

fn figures(config: &OsftConfig, measured: &Measured) -> Vec<Figure> {
    let figure = |name: &str, meaning: &str, value, notation, combine| Figure {
        name: name.to_string(),
        meaning: meaning.to_string(),
        value,
        notation,
        combine,
    };
    let leak = |name, meaning, value| {
        figure(
            name,
            meaning,
            value,
            Notation::Scientific(0),
            Combine::Largest,
        )
    };
    let worst = beyond_rounding(&measured.leaks).worst();
    let mut figures = vec![
        leak(
            "leak in",
            match config.scaling {
                Scaling::Hard => {
                    "the largest `‖P_hᵀ ΔW‖ / ‖ΔW‖` of any layer and task; rounding leaks about \
                     `6e-8 ‖W‖ / ‖ΔW‖`, and that of a layer which hardly moved (`‖ΔW‖ < 6e-5 ‖W‖`) is left out"
                }
                Scaling::Ridge | Scaling::Scaled => {
                    "the largest `‖P_hᵀ ΔW‖ / ‖ΔW‖` of any layer and task in directions of scale 0; the \
                     others are held back, not protected"
                }
            },
            worst.leak_in,
        ),
        leak(
            "leak out",
            "the largest `‖ΔW Q_h‖ / ‖ΔW‖` of any layer and task",
            worst.leak_out,
        ),
    ];
    if let Some(stored) = &measured.stored_leaks {
        let worst = stored.worst();
        figures.push(leak(
            "stored leak in",
            "`leak in` of the weights once they are rounded to the precision they are stored in",
            worst.leak_in,
        ));
        figures.push(leak(
            "stored leak out",
            "`leak out` of the weights once they are rounded to the precision they are stored in",
            worst.leak_out,
        ));
    }
    figures.push(figure(
        "change",
        "the largest `‖ΔW‖ / ‖W‖` of any layer and task",
        worst.relative_change,
        Notation::Fixed(2),
        Combine::Largest,
    ));
    if let Some(layers) = &measured.since_base {
        let sum: f64 = layers.iter().map(|layer| layer.outputs.relative).sum();
        figures.push(figure(
            "outputs",
            match measured.continues {
                false => {
                    "the mean over layers of `√(E‖x ΔW‖² / E‖x W‖²)` since the base model, over the base \
                     model's own inputs"
                }
                true => {
                    "the mean over layers of `√(E‖x ΔW‖² / E‖x W‖²)` since the model that this task started from, \
                     over the inputs of the first base model"
                }
            },
            sum / layers.len().max(1) as f64,
            Notation::Fixed(3),
            Combine::Last,
        ));
    }
    figures
}

/// A change of less than this share of its weight is so small that rounding to f32 alone leaks a thousandth of it: 2¹⁰
/// times the unit roundoff.
const HARDLY_MOVED: f64 = 1.0 / 16_384.0;
/// What rounding leaks, as a share of the weight: the unit roundoff of f32 grows with the square root of the number of
/// steps, here for as many as 256.
const ROUNDING: f64 = 1.0 / 1_048_576.0;

/// Whether a leak of a layer is what rounding leaks from a change of almost nothing: its ratio then says how little the
/// layer moved, and nothing of what is protected. A larger leak of such a layer is none of rounding.
fn is_rounding(leak: f64, layer: &LayerLeak) -> bool {
    layer.relative_change < HARDLY_MOVED && leak * layer.relative_change < ROUNDING
}

/// The same leaks without those of rounding in layers that hardly moved, as no leak.
fn beyond_rounding(report: &LeakReport) -> LeakReport {
    let layers = report.layers.iter().map(|layer| {
        let beyond = |leak: f64| if is_rounding(leak, layer) { 0.0 } else { leak };
        LayerLeak {
            leak_in: beyond(layer.leak_in),
            leak_out: beyond(layer.leak_out),
            leak_both: beyond(layer.leak_both),
            ..layer.clone()
        }
    });
    LeakReport {
        layers: layers.collect(),
    }
}

/// Columns of the table of layers.
const COLUMNS: [(&str, Notation); 21] = [
    ("d_in", Notation::Integer),
    ("d_out", Notation::Integer),
    ("k_in", Notation::Integer),
    ("k_out", Notation::Integer),
    ("free", Notation::Integer),
    ("importance", Notation::Fixed(6)),
    ("protected_energy", Notation::Fixed(6)),
    ("protected_input_energy", Notation::Fixed(6)),
    ("leak_in", Notation::Scientific(4)),
    ("leak_out", Notation::Scientific(4)),
    ("leak_both", Notation::Scientific(4)),
    ("relative_change", Notation::Scientific(4)),
    ("stored_leak_in", Notation::Scientific(4)),
    ("stored_leak_out", Notation::Scientific(4)),
    ("stored_leak_both", Notation::Scientific(4)),
    ("output_change", Notation::Scientific(4)),
    ("output_change_bound", Notation::Scientific(4)),
    ("output_change_relative", Notation::Scientific(4)),
    ("since_base", Notation::Scientific(4)),
    ("since_base_bound", Notation::Scientific(4)),
    ("since_base_relative", Notation::Scientific(4)),
];

/// The column that only scaled directions have.
const MEAN_SCALE: (&str, Notation) = ("mean_scale", Notation::Fixed(6));

fn layers(summary: &[LayerSummary], measured: &Measured) -> LayerTable {
    let scaled = summary.iter().any(|layer| layer.mean_scale.is_some());
    let rows = summary.iter().zip(&measured.leaks.layers).enumerate();
    let rows = rows.map(|(index, (split, leak))| {
        let since_base = measured.since_base_of(&split.path);
        let since_base = since_base.map(|since_base| since_base.outputs);
        let stored = measured.stored_leaks.as_ref();
        let stored = stored.and_then(|stored| stored.layers.get(index));
        let count = |count: usize| Some(count as f64);
        let mean_scale = scaled.then_some(split.mean_scale);
        let values = vec![
            count(split.shape[0]),
            count(split.shape[1]),
            count(split.k_in),
            count(split.k_out),
            count(split.free_parameters),
            split.importance,
            Some(split.protected_energy),
            split.protected_input_energy,
            Some(leak.leak_in),
            Some(leak.leak_out),
            Some(leak.leak_both),
            Some(leak.relative_change),
            stored.map(|leak: &LayerLeak| leak.leak_in),
            stored.map(|leak| leak.leak_out),
            stored.map(|leak| leak.leak_both),
            leak.outputs.map(|outputs| outputs.measured),
            leak.outputs.map(|outputs| outputs.bound),
            leak.outputs.map(|outputs| outputs.relative),
            since_base.map(|outputs| outputs.measured),
            since_base.map(|outputs| outputs.bound),
            since_base.map(|outputs| outputs.relative),
        ];
        LayerRow {
            layer: split.path.clone(),
            values: values.into_iter().chain(mean_scale).collect(),
        }
    });
    LayerTable {
        columns: COLUMNS
            .into_iter()
            .chain(scaled.then_some(MEAN_SCALE))
            .map(|(name, notation)| Column {
                name: name.to_string(),
                notation,
            })
            .collect(),
        rows: rows.collect(),
    }
}

/// The table of what moved in every layer, as text; `None` if there is no layer.
fn moved_text(measured: &Measured) -> Option<String> {
    let leaks = &measured.leaks.layers;
    let width = leaks.iter().map(|leak| leak.path.len()).max()?.max(5);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "{:width$}  {:>8}  {:>8}  {:>8}  {:>8}  {:>10}  {:>10}  {:>10}  {:>10}",
        "layer",
        "leak in",
        "leak out",
        "both",
        "change",
        "E|x dW|^2",
        "at most",
        "since base",
        "at most"
    );
    let number = |value: Option<f64>| value.map_or("–".to_string(), |v| format!("{v:.1e}"));
    let ratio = |value: f64, layer: &LayerLeak| match is_rounding(value, layer) {
        true => "–".to_string(),
        false => format!("{value:.0e}"),
    };
    for leak in leaks {
        let since_base = measured.since_base_of(&leak.path);
        let _ = writeln!(
            text,
            "{:width$}  {:>8}  {:>8}  {:>8}  {:>8.4}  {:>10}  {:>10}  {:>10}  {:>10}",
            leak.path,
            ratio(leak.leak_in, leak),
            ratio(leak.leak_out, leak),
            ratio(leak.leak_both, leak),
            leak.relative_change,
            number(leak.outputs.map(|o| o.measured)),
            number(leak.outputs.map(|o| o.bound)),
            number(since_base.map(|b| b.outputs.measured)),
            number(since_base.map(|b| b.outputs.bound)),
        );
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(leak_in: f64, relative_change: f64) -> LayerLeak {
        LayerLeak {
            path: "layer".to_string(),
            leak_in,
            relative_change,
            ..LayerLeak::default()
        }
    }

    #[test]
    fn the_leak_of_a_layer_that_hardly_moved_is_none_unless_it_is_more_than_rounding() {
        // Rounding of 6e-8 of the weight; half of what moved; 2 % of a change that is large enough to tell.
        let layers = [layer(2e-3, 3e-5), layer(0.5, 3e-5), layer(0.02, 1e-3)];
        let report = LeakReport {
            layers: layers.to_vec(),
        };
        let left = beyond_rounding(&report).layers;
        let left: Vec<f64> = left.iter().map(|layer| layer.leak_in).collect();
        assert_eq!(left, [0.0, 0.5, 0.02]);
        let measured = Measured {
            leaks: report,
            stored_leaks: None,
            since_base: None,
            continues: false,
        };
        let text = moved_text(&measured).unwrap_or_default();
        let column = |line: &str| line.split_whitespace().nth(1).map(str::to_string);
        let shown: Vec<String> = text.lines().skip(1).filter_map(column).collect();
        assert_eq!(shown, ["–", "5e-1", "2e-2"]);
        // What is not finite is never left out.
        assert!(!is_rounding(f64::NAN, &layer(f64::NAN, f64::NAN)));
    }
}
