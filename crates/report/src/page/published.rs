//! Published scores, separate from measured ones.

use benchmarks::Published;

use super::table::{empty_table, with_numbers};

/// A section of a report with published scores, their sources and their caveats.
pub fn published_section(published: &Published) -> String {
    let mut table = empty_table(true);
    let ordered = published.rows.iter().any(|row| row.order.is_some());
    let order = ordered.then_some("order");
    let header = ["published AA", "published BWT", "source"];
    table.set_header(["published method"].into_iter().chain(order).chain(header));
    for row in &published.rows {
        let number = published
            .sources
            .iter()
            .position(|source| source.key == row.source)
            .map_or(0, |index| index + 1);
        let shown = |value: Option<f64>| value.map_or("–".to_string(), |v| format!("{v:.1}"));
        let order = row.order.clone().unwrap_or_else(|| "–".to_string());
        let figures = [
            shown(row.average_accuracy),
            shown(row.backward_transfer),
            format!("[{number}]"),
        ];
        let cells = std::iter::once(row.method.clone());
        table.add_row(cells.chain(ordered.then_some(order)).chain(figures));
    }
    let table = with_numbers(table);
    let mut section = String::from(
        "## Published figures\n\nNone of these was measured here, and they differ in model, rows and \
         decoding from each other and from the run above.\n\n",
    );
    section.push_str(&format!("{table}\n\n"));
    for (index, source) in published.sources.iter().enumerate() {
        section.push_str(&format!(
            "[{}] {}. {}\n\n",
            index + 1,
            source.text,
            source.caveat
        ));
    }
    section
}
