//! Tables of numbers for terminals and pages.

use comfy_table::{CellAlignment, Table, presets};

/// An empty table, in Markdown or for a terminal.
pub fn empty_table(markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_style(match markdown {
        true => presets::ASCII_MARKDOWN,
        false => presets::UTF8_FULL_CONDENSED,
    });
    table
}

/// Renders a table; all columns but the first are right-aligned.
pub fn with_numbers(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
