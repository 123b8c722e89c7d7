//! Tables of numbers, for a terminal or a page.

use comfy_table::{CellAlignment, Table, presets};

/// An empty table in Markdown or as a terminal shows it.
pub fn empty_table(markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_style(match markdown {
        true => presets::ASCII_MARKDOWN,
        false => presets::UTF8_FULL_CONDENSED,
    });
    table
}

/// The table as text, its columns of numbers to the right: all but the first.
pub fn with_numbers(mut table: Table) -> String {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}
