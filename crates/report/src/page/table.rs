//! Tables of numbers for terminals and pages.

use comfy_table::{CellAlignment, Row, Table, presets};

/// An empty table, in Markdown or for a terminal.
pub fn empty_table(markdown: bool) -> Table {
    let mut table = Table::new();
    table.load_style(match markdown {
        true => presets::ASCII_MARKDOWN,
        false => presets::UTF8_FULL_CONDENSED,
    });
    table
}

/// Renders a table; all columns but the first are right-aligned. In Markdown, a bar inside a cell is escaped: names of
/// variants may hold patterns.
pub fn with_numbers(mut table: Table) -> String {
    if table.style() == presets::ASCII_MARKDOWN {
        let escaped = |row: &Row| {
            let cells = row.cell_iter();
            Row::from(cells.map(|cell| cell.content().replace('|', "\\|")))
        };
        if let Some(header) = table.header().map(escaped) {
            table.set_header(header);
        }
        for row in table.row_iter_mut() {
            *row = escaped(row);
        }
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::{empty_table, with_numbers};

    #[test]
    fn a_bar_inside_a_cell_is_no_border_of_a_markdown_table() {
        let of = |markdown: bool| {
            let mut table = empty_table(markdown);
            table.set_header(["method", "AA"]);
            table.add_row(["osft (targets = ^(q|v)$)", "73.9"]);
            with_numbers(table)
        };
        let page = of(true);
        assert!(page.contains(r"^(q\|v)$"), "{page}");
        let bars = |line: &str| line.matches('|').count() - line.matches(r"\|").count();
        assert!(page.lines().all(|line| bars(line) == 3), "{page}");
        assert!(of(false).contains("^(q|v)$"));
    }
}
