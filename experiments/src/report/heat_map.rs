//! Result matrices as heat maps.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::style::{FAINT, FONT, INK, drawing, score_color, text_color};

/// A matrix and its title.
pub struct MatrixPicture<'a> {
    /// Title of the panel.
    pub title: &'a str,
    /// Tasks in the order they are learned.
    pub tasks: &'a [String],
    /// `T + 1` rows of `T` scores in `[0, 100]`, row 0 being the base model.
    pub scores: &'a [Vec<Option<f64>>],
}

/// Pixels.
const CELL: (i32, i32) = (58, 30);
const MARGIN: i32 = 20;
const ROW_LABELS: i32 = 96;
const HEADER: i32 = 64;
const TITLE: i32 = 36;

/// One panel per matrix, two beside each other, as an SVG document.
///
/// # Errors
///
/// If there is no panel, or a matrix has not `T + 1` rows of `T` scores.
pub fn heat_map(title: &str, panels: &[MatrixPicture<'_>]) -> Result<String> {
    ensure!(!panels.is_empty(), "there is no matrix to draw");
    for panel in panels {
        let count = panel.tasks.len();
        ensure!(
            count > 0
                && panel.scores.len() == count + 1
                && panel.scores.iter().all(|row| row.len() == count),
            "the matrix of {} does not hold {} rows of {count} scores",
            panel.title,
            count + 1
        );
    }
    let tasks = panels
        .iter()
        .map(|panel| panel.tasks.len())
        .max()
        .unwrap_or(1) as i32;
    let width = ROW_LABELS + tasks * CELL.0 + MARGIN;
    let height = HEADER + (tasks + 1) * CELL.1 + MARGIN;
    let columns = panels.len().min(2) as i32;
    let rows = (panels.len() as i32 + 1) / 2;
    let size = (
        (MARGIN + columns * width).max(7 * title.len() as i32 + 2 * MARGIN),
        TITLE + rows * height + MARGIN,
    );
    let mut svg = String::new();
    {
        let backend = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32));
        let area = backend.into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        write(&area, title, (MARGIN, TITLE / 2 + 4), 15.0, INK, HPos::Left)?;
        for (index, panel) in panels.iter().enumerate() {
            let index = index as i32;
            let corner = (MARGIN + index % 2 * width, TITLE + index / 2 * height);
            draw(&area, panel, corner)?;
        }
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(area: &Area<'_>, panel: &MatrixPicture<'_>, (left, top): (i32, i32)) -> Result<()> {
    let origin = (left + ROW_LABELS, top + HEADER);
    write(
        area,
        panel.title,
        (origin.0, top + 14),
        14.0,
        INK,
        HPos::Left,
    )?;
    for (column, task) in panel.tasks.iter().enumerate() {
        let x = origin.0 + column as i32 * CELL.0 + CELL.0 / 2;
        // Every other label a line higher, so that long names do not touch.
        let y = origin.1 - if column % 2 == 0 { 8 } else { 22 };
        write(area, &shortened(task, 15), (x, y), 10.5, INK, HPos::Center)?;
    }
    for (learned, row) in panel.scores.iter().enumerate() {
        let y = origin.1 + learned as i32 * CELL.1;
        let name = match learned {
            0 => "base model".to_string(),
            _ => format!("+ {}", shortened(&panel.tasks[learned - 1], 14)),
        };
        write(
            area,
            &name,
            (origin.0 - 8, y + CELL.1 / 2),
            11.0,
            INK,
            HPos::Right,
        )?;
        for (task, score) in row.iter().enumerate() {
            let x = origin.0 + task as i32 * CELL.0;
            let corners = [(x + 1, y + 1), (x + CELL.0 - 1, y + CELL.1 - 1)];
            let Some(score) = score.filter(|score| score.is_finite()) else {
                let outline = Rectangle::new(corners, FAINT.stroke_width(1));
                area.draw(&outline).map_err(drawing)?;
                continue;
            };
            let fill = Rectangle::new(corners, score_color(score).filled());
            area.draw(&fill).map_err(drawing)?;
            if learned == task + 1 {
                // The task that has just been learned.
                let outline = Rectangle::new(corners, INK.stroke_width(2));
                area.draw(&outline).map_err(drawing)?;
            }
            let middle = (x + CELL.0 / 2, y + CELL.1 / 2);
            let text = format!("{score:.0}");
            write(area, &text, middle, 12.0, text_color(score), HPos::Center)?;
        }
    }
    Ok(())
}

fn write(
    area: &Area<'_>,
    text: &str,
    place: (i32, i32),
    size: f64,
    color: RGBColor,
    side: HPos,
) -> Result<()> {
    let style = (FONT, size).into_font().color(&color);
    let style = style.pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_string(), place, style))
        .map_err(drawing)
}

fn shortened(name: &str, length: usize) -> String {
    if name.chars().count() <= length {
        return name.to_string();
    }
    let start: String = name.chars().take(length - 1).collect();
    format!("{start}…")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn picture(scores: &[Vec<Option<f64>>]) -> Result<String> {
        let tasks = ["a<b".to_string(), "c&d".to_string()];
        let panel = MatrixPicture {
            title: "method",
            tasks: &tasks,
            scores,
        };
        heat_map("title", &[panel])
    }

    #[test]
    fn every_score_is_a_cell_and_text_is_escaped() {
        let scores = vec![
            vec![None, Some(12.0)],
            vec![Some(98.6), None],
            vec![Some(40.0), Some(f64::NAN)],
        ];
        let svg = picture(&scores).unwrap();
        // The background, four measured or unmeasured cells of each kind, one outline.
        assert_eq!(svg.matches("<rect").count(), 1 + 6 + 1);
        assert!(svg.contains("a&lt;b") && svg.contains("c&amp;d"), "{svg}");
        assert!(svg.contains("99") && svg.contains("base model"));
        assert_eq!(svg, picture(&scores).unwrap());
    }

    #[test]
    fn matrices_of_the_wrong_shape_are_errors() {
        assert!(picture(&[vec![None, None]]).is_err());
        assert!(picture(&[vec![None], vec![None], vec![None]]).is_err());
        assert!(heat_map("title", &[]).is_err());
    }
}
