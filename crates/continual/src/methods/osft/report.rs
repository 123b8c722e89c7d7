//! OSFT's report on a task: how much of the change lies in protected directions, layer by layer.

use std::fmt::Write;

use ::osft::{LayerChange, LayerLeak, LayerSummary, LeakReport, Osft, OsftConfig, Others};
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
        figures: figures(measured),
        layers: layers(&split.summary(), measured),
        tables: tables.collect(),
        warnings: split.warnings().to_vec(),
    }
}

fn figures(measured: &Measured) -> Vec<Figure> {
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
    let worst = measured.leaks.worst();
    let mut figures = vec![
        leak(
            "leak in",
            "the largest `‖P_hᵀ ΔW‖ / ‖ΔW‖` of any layer and task; rounding leaks about \
             `6e-8 ‖W‖ / ‖ΔW‖`",
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
            "the mean over layers of `√(E‖x ΔW‖² / E‖x W‖²)` since the base model, over the base \
             model's own inputs",
            sum / layers.len().max(1) as f64,
            Notation::Fixed(3),
            Combine::Last,
        ));
    }
    figures
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

fn layers(summary: &[LayerSummary], measured: &Measured) -> LayerTable {
    let rows = summary.iter().zip(&measured.leaks.layers).enumerate();
    let rows = rows.map(|(index, (split, leak))| {
        let since_base = measured
            .since_base
            .as_ref()
            .and_then(|since_base| since_base.get(index));
        let since_base = since_base.map(|since_base| since_base.outputs);
        let stored = measured.stored_leaks.as_ref();
        let stored = stored.and_then(|stored| stored.layers.get(index));
        let count = |count: usize| Some(count as f64);
        LayerRow {
            layer: split.path.clone(),
            values: vec![
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
            ],
        }
    });
    LayerTable {
        columns: COLUMNS
            .map(|(name, notation)| Column {
                name: name.to_string(),
                notation,
            })
            .to_vec(),
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
    for (index, leak) in leaks.iter().enumerate() {
        let since_base = measured
            .since_base
            .as_ref()
            .and_then(|since_base| since_base.get(index));
        let _ = writeln!(
            text,
            "{:width$}  {:>8.0e}  {:>8.0e}  {:>8.0e}  {:>8.4}  {:>10}  {:>10}  {:>10}  {:>10}",
            leak.path,
            leak.leak_in,
            leak.leak_out,
            leak.leak_both,
            leak.relative_change,
            number(leak.outputs.map(|o| o.measured)),
            number(leak.outputs.map(|o| o.bound)),
            number(since_base.map(|b| b.outputs.measured)),
            number(since_base.map(|b| b.outputs.bound)),
        );
    }
    Some(text)
}
