//! Result matrices as heat maps.

use anyhow::{Result, ensure};
use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::style::{
    ACCENT, Area, DIM, FAINT, INK, drawing, fitted, font, score_color, text_color, text_width,
    write, write_upwards,
};

/// A matrix with its title.
pub struct MatrixPicture<'a> {
    /// Title of the panel.
    pub title: &'a str,
    /// Tasks in the order in which they are learned.
    pub tasks: &'a [String],
    /// `T + 1` rows of `T` scores in `[0, 100]`; row 0 is the base model's.
    pub scores: &'a [Vec<Option<f64>>],
}

const MARGIN: i32 = 20;
const TITLE: i32 = 40;
const PANEL_TITLE: i32 = 30;
const KEY: i32 = 44;
const GAP: i32 = 32;
const ROW_HEIGHT: i32 = 30;
const NAME: f64 = 11.0;
const LONGEST_NAME: i32 = 110;
const BAR_STEPS: i32 = 25;
const BAR_STEP: i32 = 6;

/// Draws one panel per matrix, two in a row, as an SVG document.
///
/// # Errors
///
/// If there is no panel, or a matrix does not have `T + 1` rows of `T` scores.
pub fn heat_map(title: &str, panels: &[MatrixPicture<'_>]) -> Result<String> {
    ensure!(!panels.is_empty(), "there is no matrix to draw");
    panels.iter().try_for_each(check)?;
    let layout = Layout::of(panels);
    let columns = panels.len().min(2) as i32;
    let rows = (panels.len() as i32 + 1) / 2;
    let content = (columns * (layout.width + GAP) - GAP).max(key_width());
    let size = (
        2 * MARGIN + content.max(text_width(title, 16.0)),
        TITLE + rows * (layout.height + GAP) + KEY,
    );
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (size.0 as u32, size.1 as u32));
        let area = area.into_drawing_area();
        area.fill(&WHITE).map_err(drawing)?;
        write(&area, title, (MARGIN, 22), font(16.0, INK), HPos::Left)?;
        for (index, panel) in panels.iter().enumerate() {
            let (row, column) = (index as i32 / 2, index as i32 % 2);
            let left = MARGIN + column * (layout.width + GAP);
            let top = TITLE + row * (layout.height + GAP);
            draw_panel(&area, panel, &layout, (left, top))?;
        }
        draw_key(&area, (MARGIN, size.1 - KEY))?;
        area.present().map_err(drawing)?;
    }
    Ok(svg)
}

fn check(panel: &MatrixPicture<'_>) -> Result<()> {
    let count = panel.tasks.len();
    ensure!(count > 0, "the matrix of {} has no task", panel.title);
    ensure!(
        panel.scores.len() == count + 1,
        "the matrix of {} has {} rows, not {}: the base model and {count} tasks",
        panel.title,
        panel.scores.len(),
        count + 1
    );
    for (index, row) in panel.scores.iter().enumerate() {
        ensure!(
            row.len() == count,
            "row {index} of the matrix of {} has {} scores, not {count}",
            panel.title,
            row.len()
        );
    }
    Ok(())
}

/// The arrangement of the column names.
enum Names {
    /// In one line.
    Line,
    /// In two lines, every other name in the upper one.
    Staggered,
    /// Rotated.
    Upwards,
}

/// Sizes in pixels, the same for all panels so that their cells align.
struct Layout {
    cell: i32,
    row_names: i32,
    header: i32,
    names: Names,
    width: i32,
    height: i32,
}

impl Layout {
    fn of(panels: &[MatrixPicture<'_>]) -> Self {
        let names = panels.iter().flat_map(|panel| panel.tasks);
        let longest = names.map(|name| text_width(&fitted(name, NAME, LONGEST_NAME), NAME));
        let longest = longest.max().unwrap_or(0);
        let tasks = panels.iter().map(|panel| panel.tasks.len()).max();
        let tasks = tasks.unwrap_or(0) as i32;
        // Many tasks get narrow cells: in a wide picture, pages shrink the text.
        let (cell, names) = match tasks {
            ..=8 if longest <= 54 => (58, Names::Line),
            ..=8 => (58, Names::Staggered),
            _ => (38, Names::Upwards),
        };
        let header = match names {
            Names::Line => 20,
            Names::Staggered => 36,
            Names::Upwards => longest + 12,
        };
        let row_names = longest.max(text_width("base", NAME)) + text_width("after ", NAME) + 8;
        let titles = panels.iter().map(|panel| text_width(panel.title, 14.0));
        let title = titles.max().unwrap_or(0);
        // Names in two lines extend beyond the last column.
        let body = tasks * cell + (longest - cell).max(0) / 2;
        Self {
            cell,
            row_names,
            header: PANEL_TITLE + header,
            names,
            width: row_names + body.max(title),
            height: PANEL_TITLE + header + (tasks + 1) * ROW_HEIGHT,
        }
    }
}

fn draw_panel(
    area: &Area<'_>,
    panel: &MatrixPicture<'_>,
    layout: &Layout,
    (left, top): (i32, i32),
) -> Result<()> {
    let origin = (left + layout.row_names, top + layout.header);
    let title = (origin.0, top + 12);
    write(area, panel.title, title, font(14.0, INK), HPos::Left)?;
    for (column, task) in panel.tasks.iter().enumerate() {
        let name = fitted(task, NAME, LONGEST_NAME);
        let middle = origin.0 + column as i32 * layout.cell + layout.cell / 2;
        let raised = match layout.names {
            Names::Upwards => {
                write_upwards(area, &name, (middle, origin.1 - 6), NAME)?;
                continue;
            }
            Names::Staggered if column % 2 == 1 => 16,
            Names::Line | Names::Staggered => 0,
        };
        let place = (middle, origin.1 - 10 - raised);
        write(area, &name, place, font(NAME, INK), HPos::Center)?;
    }
    for (learned, row) in panel.scores.iter().enumerate() {
        let y = origin.1 + learned as i32 * ROW_HEIGHT;
        let name = match learned {
            0 => "base".to_string(),
            _ => format!(
                "after {}",
                fitted(&panel.tasks[learned - 1], NAME, LONGEST_NAME)
            ),
        };
        let place = (origin.0 - 8, y + ROW_HEIGHT / 2);
        write(area, &name, place, font(NAME, INK), HPos::Right)?;
        for (task, score) in row.iter().enumerate() {
            let x = origin.0 + task as i32 * layout.cell;
            let corners = [(x + 1, y + 1), (x + layout.cell - 1, y + ROW_HEIGHT - 1)];
            draw_cell(area, corners, *score, learned == task + 1)?;
        }
    }
    Ok(())
}

fn draw_cell(
    area: &Area<'_>,
    corners: [(i32, i32); 2],
    score: Option<f64>,
    just_learned: bool,
) -> Result<()> {
    let [(left, top), (right, bottom)] = corners;
    let middle = ((left + right) / 2, (top + bottom) / 2);
    match score.filter(|score| score.is_finite()) {
        Some(score) => {
            let fill = Rectangle::new(corners, score_color(score).filled());
            area.draw(&fill).map_err(drawing)?;
            let style = font(12.0, text_color(score));
            write(area, &format!("{score:.0}"), middle, style, HPos::Center)?;
        }
        None => {
            let fill = Rectangle::new(corners, FAINT.filled());
            area.draw(&fill).map_err(drawing)?;
            let dot = Circle::new(middle, 2, DIM.filled());
            area.draw(&dot).map_err(drawing)?;
        }
    }
    if just_learned {
        // Inside the cell, where neighbours do not cover it.
        draw_outline(area, [(left + 2, top + 2), (right - 2, bottom - 2)])?;
    }
    Ok(())
}

/// Draws a thick frame as a path, because the SVG backend draws rectangles with a hairline.
fn draw_outline(area: &Area<'_>, [(left, top), (right, bottom)]: [(i32, i32); 2]) -> Result<()> {
    let middle = ((left + right) / 2, top);
    // Start in the middle of a side, so that the ends leave no notch in a corner.
    let path = [
        middle,
        (right, top),
        (right, bottom),
        (left, bottom),
        (left, top),
        middle,
    ];
    area.draw(&PathElement::new(path, ACCENT.stroke_width(3)))
        .map_err(drawing)
}

const LEARNED: &str = "task just learned";
const MISSING: &str = "not measured";

fn key_width() -> i32 {
    let samples = 2 * (28 + 8 + 24);
    let words = text_width(LEARNED, NAME) + text_width(MISSING, NAME);
    BAR_STEPS * BAR_STEP + 40 + samples + words
}

/// Draws the legend: colour scale, outline and dot.
fn draw_key(area: &Area<'_>, (left, top): (i32, i32)) -> Result<()> {
    for step in 0..BAR_STEPS {
        let x = left + step * BAR_STEP;
        let score = 100.0 * f64::from(step) / f64::from(BAR_STEPS - 1);
        let fill = score_color(score).filled();
        let part = Rectangle::new([(x, top), (x + BAR_STEP, top + 12)], fill);
        area.draw(&part).map_err(drawing)?;
    }
    let right = left + BAR_STEPS * BAR_STEP;
    let frame = Rectangle::new([(left, top), (right, top + 12)], DIM.stroke_width(1));
    area.draw(&frame).map_err(drawing)?;
    for (text, x, side) in [
        ("0", left, HPos::Left),
        ("score", (left + right) / 2, HPos::Center),
        ("100", right, HPos::Right),
    ] {
        write(area, text, (x, top + 23), font(NAME, INK), side)?;
    }
    let mut x = right + 40;
    for (text, learned) in [(LEARNED, true), (MISSING, false)] {
        let sample = [(x, top - 3), (x + 28, top + 15)];
        if learned {
            draw_outline(area, sample)?;
        } else {
            draw_cell(area, sample, None, false)?;
        }
        let place = (x + 36, top + 6);
        write(area, text, place, font(NAME, INK), HPos::Left)?;
        x += 36 + text_width(text, NAME) + 24;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn picture(tasks: &[&str], scores: &[Vec<Option<f64>>]) -> Result<String> {
        let tasks: Vec<String> = tasks.iter().map(|task| task.to_string()).collect();
        let panel = MatrixPicture {
            title: "method",
            tasks: &tasks,
            scores,
        };
        heat_map("one < two", &[panel])
    }

    fn filled(svg: &str, color: RGBColor) -> usize {
        let RGBColor(red, green, blue) = color;
        let fill = format!("fill=\"#{red:02X}{green:02X}{blue:02X}\"");
        let rects = svg.lines().filter(|line| line.starts_with("<rect"));
        rects.filter(|line| line.contains(&fill)).count()
    }

    #[test]
    fn every_score_has_a_cell_and_text_is_escaped() {
        let scores = vec![
            vec![None, Some(12.0)],
            vec![Some(98.6), None],
            vec![Some(41.0), Some(f64::NAN)],
        ];
        let svg = picture(&["a<b", "c&d"], &scores).unwrap();
        // Background, cells, colour bar and its frame, and the legend's unmeasured cell.
        let bar = BAR_STEPS as usize + 1;
        assert_eq!(svg.matches("<rect").count(), 1 + 6 + bar + 1);
        // The diagonal and its sample in the legend.
        assert_eq!(svg.matches("<polyline").count(), 2 + 1);
        for score in [12.0, 98.6, 41.0] {
            assert_eq!(filled(&svg, score_color(score)), 1, "{score}");
        }
        // Three unmeasured cells and the legend's sample.
        assert_eq!(filled(&svg, FAINT), 4);
        assert_eq!(svg.matches("<circle").count(), 4);
        for text in ["a&lt;b", "after c&amp;d", "one &lt; two", "99", "base"] {
            assert!(svg.contains(text), "no {text} in {svg}");
        }
        assert!(!svg.contains("a<b") && !svg.contains("NaN"));
        assert_eq!(svg, picture(&["a<b", "c&d"], &scores).unwrap());
    }

    #[test]
    fn names_of_many_tasks_are_rotated() {
        let scores = |count: usize| vec![vec![Some(50.0); count]; count + 1];
        let names = ["quite a long task name"; 9];
        let few = picture(&names[..8], &scores(8)).unwrap();
        let many = picture(&names, &scores(9)).unwrap();
        assert_eq!(few.matches("rotate(").count(), 0);
        assert_eq!(many.matches("rotate(").count(), 9);
    }

    #[test]
    fn matrices_of_a_wrong_shape_are_errors() {
        let error = heat_map("title", &[]).unwrap_err();
        assert!(error.to_string().contains("no matrix to draw"), "{error}");
        let error = picture(&[], &[vec![]]).unwrap_err();
        assert!(error.to_string().contains("has no task"), "{error}");
        let error = picture(&["a", "b"], &[vec![None, None]]).unwrap_err();
        assert!(error.to_string().contains("has 1 rows, not 3"), "{error}");
        let ragged = [vec![None, None], vec![None], vec![None, None]];
        let error = picture(&["a", "b"], &ragged).unwrap_err();
        assert!(error.to_string().contains("row 1"), "{error}");
    }
}
