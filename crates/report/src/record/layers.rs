//! The report on every task and layer, as CSV.

use anyhow::{Context, Result};
use continual::TaskDiagnostics;
use continual::method::{Column, LayerTable};

/// One line per task and layer, with the columns of all tasks; empty if the method reports no
/// layers.
///
/// # Errors
///
/// If the CSV cannot be written.
pub fn layers_csv(tasks: &[String], diagnostics: &[TaskDiagnostics]) -> Result<String> {
    let mut columns: Vec<&Column> = Vec::new();
    for column in diagnostics.iter().flat_map(|task| &task.layers.columns) {
        if !columns.iter().any(|other| other.name == column.name) {
            columns.push(column);
        }
    }
    if diagnostics.iter().all(|task| task.layers.rows.is_empty()) {
        return Ok(String::new());
    }
    let mut csv = csv::Writer::from_writer(Vec::new());
    let names = columns.iter().map(|column| column.name.as_str());
    csv.write_record(["task", "layer"].into_iter().chain(names))?;
    for (task, report) in tasks.iter().zip(diagnostics) {
        let LayerTable {
            columns: own, rows, ..
        } = &report.layers;
        for row in rows {
            let cells = columns.iter().map(|column| {
                let place = own.iter().position(|other| other.name == column.name);
                let value = place.and_then(|place| row.values[place]);
                value.map_or(String::new(), |value| column.notation.text(value))
            });
            let names = [task.clone(), row.layer.clone()];
            csv.write_record(names.into_iter().chain(cells))?;
        }
    }
    let bytes = csv.into_inner().context("cannot finish the CSV")?;
    String::from_utf8(bytes).context("the CSV is not text")
}
