//! What every task did to every layer, as a table for a machine and one for a person.

use std::fmt::Write;

use anyhow::{Context, Result};
use continual::TaskDiagnostics;

/// One line per task and layer; empty for a method that does not split.
///
/// # Errors
///
/// If the CSV cannot be written.
pub fn layers_csv(tasks: &[String], diagnostics: &[TaskDiagnostics]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    csv.write_record([
        "task",
        "layer",
        "d_in",
        "d_out",
        "k_in",
        "k_out",
        "free",
        "importance",
        "protected_energy",
        "protected_input_energy",
        "leak_in",
        "leak_out",
        "leak_both",
        "relative_change",
        "stored_leak_in",
        "stored_leak_out",
        "stored_leak_both",
        "output_change",
        "output_change_bound",
        "output_change_relative",
        "since_base",
        "since_base_bound",
        "since_base_relative",
    ])?;
    let mut count = 0;
    for (task, report) in tasks.iter().zip(diagnostics) {
        let leaks = report.leaks.iter().flat_map(|leaks| &leaks.layers);
        for (index, (split, leak)) in report.split.iter().zip(leaks).enumerate() {
            let base = report.since_base.as_ref().and_then(|base| base.get(index));
            let stored = report.stored_leaks.as_ref();
            let stored = stored.and_then(|stored| stored.layers.get(index));
            let exact = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.4e}"));
            let short = |value: Option<f64>| value.map_or(String::new(), |v| format!("{v:.6}"));
            csv.write_record([
                task.clone(),
                split.path.clone(),
                split.shape[0].to_string(),
                split.shape[1].to_string(),
                split.k_in.to_string(),
                split.k_out.to_string(),
                split.free_parameters.to_string(),
                short(split.importance),
                short(Some(split.protected_energy)),
                short(split.protected_input_energy),
                exact(Some(leak.leak_in)),
                exact(Some(leak.leak_out)),
                exact(Some(leak.leak_both)),
                exact(Some(leak.relative_change)),
                exact(stored.map(|leak| leak.leak_in)),
                exact(stored.map(|leak| leak.leak_out)),
                exact(stored.map(|leak| leak.leak_both)),
                exact(leak.outputs.map(|o| o.measured)),
                exact(leak.outputs.map(|o| o.bound)),
                exact(leak.outputs.map(|o| o.relative)),
                exact(base.map(|b| b.outputs.measured)),
                exact(base.map(|b| b.outputs.bound)),
                exact(base.map(|b| b.outputs.relative)),
            ])?;
            count += 1;
        }
    }
    if count == 0 {
        return Ok(String::new());
    }
    let bytes = csv.into_inner().context("cannot finish the CSV")?;
    String::from_utf8(bytes).context("the CSV is not text")
}

/// What the last task did to every layer; `None` for a method that does not split.
pub fn layers_table(diagnostics: &[TaskDiagnostics]) -> Option<String> {
    let last = diagnostics.last()?;
    let leaks = &last.leaks.as_ref()?.layers;
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
        let base = last.since_base.as_ref().and_then(|base| base.get(index));
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
            number(base.map(|b| b.outputs.measured)),
            number(base.map(|b| b.outputs.bound)),
        );
    }
    Some(text)
}
