//! The pictures of a card.

use anyhow::Result;
use continual::method::LayerTable;
use report::picture::{Curve, CurvesPicture, curves};

/// Most points of the picture of the losses.
const POINTS: usize = 60;

/// The losses of the steps as SVG; `None` if there are too few.
///
/// # Errors
///
/// If the picture cannot be drawn.
pub fn losses(task: &str, losses: &[f64]) -> Result<Option<String>> {
    let finite = losses.iter().copied().filter(|loss| loss.is_finite());
    let (count, highest) = (finite.clone().count(), finite.fold(0.0, f64::max));
    if count < 2 {
        return Ok(None);
    }
    // Means of neighbouring steps, as many as a narrow screen can tell apart.
    let size = losses.len().div_ceil(POINTS);
    let points = losses
        .chunks(size)
        .enumerate()
        .filter_map(|(index, losses)| {
            let step = index * size + losses.len().div_ceil(2);
            let finite = losses.iter().copied().filter(|loss| loss.is_finite());
            let (count, sum) = (finite.clone().count(), finite.sum::<f64>());
            (count > 0).then(|| (step as f64, sum / count as f64))
        });
    let svg = curves(&CurvesPicture {
        title: "Loss of the steps",
        x_label: "optimizer step",
        y_label: "nats per answer token",
        x_ticks: &[],
        y_range: (0.0, highest.max(f64::MIN_POSITIVE)),
        curves: &[Curve {
            label: task,
            points: points.collect(),
            spread: Vec::new(),
        }],
    })?;
    Ok(Some(svg))
}

/// The share of frozen directions of every layer as SVG, a curve for each kind of layer over the blocks; `None`
/// if the method freezes none.
///
/// # Errors
///
/// If the picture cannot be drawn.
pub fn frozen_shares(layers: &LayerTable) -> Result<Option<String>> {
    let column = |name: &str| layers.columns.iter().position(|column| column.name == name);
    let (Some(d_in), Some(d_out), Some(k_in), Some(k_out)) = (
        column("d_in"),
        column("d_out"),
        column("k_in"),
        column("k_out"),
    ) else {
        return Ok(None);
    };
    let mut kinds: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
    for row in &layers.rows {
        let value = |column: usize| row.values.get(column).copied().flatten().unwrap_or(0.0);
        let share = |k: f64, d: f64| 100.0 * k / d.max(1.0);
        let (kind, block) = kind_and_block(&row.layer);
        let frozen = share(value(k_in), value(d_in)).max(share(value(k_out), value(d_out)));
        match kinds.iter_mut().find(|(name, _)| *name == kind) {
            Some((_, points)) => points.push((block, frozen)),
            None => kinds.push((kind, vec![(block, frozen)])),
        }
    }
    let drawn: Vec<Curve<'_>> = (kinds.iter())
        .map(|(label, points)| Curve {
            label,
            points: points.clone(),
            spread: Vec::new(),
        })
        .collect();
    if drawn.is_empty() {
        return Ok(None);
    }
    let svg = curves(&CurvesPicture {
        title: "Frozen directions of every layer",
        x_label: "block",
        y_label: "% of directions frozen",
        x_ticks: &[],
        y_range: (0.0, 100.0),
        curves: &drawn,
    })?;
    Ok(Some(svg))
}

/// The kind of a layer and its block: `layers.3.mlp.up_proj.weight` is `up_proj` in block 3.
fn kind_and_block(path: &str) -> (String, f64) {
    let parts: Vec<&str> = path.trim_end_matches(".weight").split('.').collect();
    let number = parts.iter().position(|part| part.parse::<usize>().is_ok());
    let block = number.and_then(|at| parts[at].parse().ok()).unwrap_or(0.0);
    let last = parts.last().copied().unwrap_or_default();
    // An encoder and a decoder have layers of the same names, and two kinds of attention.
    let stack = match parts.first() {
        Some(stack) if ["encoder", "decoder"].contains(stack) && number.is_some() => {
            format!("{stack} ")
        }
        _ => String::new(),
    };
    let cross = match parts.contains(&"EncDecAttention") {
        true => "cross ",
        false => "",
    };
    (format!("{stack}{cross}{last}"), block)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use continual::method::{Column, LayerRow, Notation};

    #[test]
    fn layers_are_told_apart_by_kind_and_block() {
        for (path, kind, block) in [
            ("layers.3.mlp.up_proj.weight", "up_proj", 3.0),
            (
                "encoder.block.1.layer.0.SelfAttention.q.weight",
                "encoder q",
                1.0,
            ),
            (
                "decoder.block.2.layer.1.EncDecAttention.k.weight",
                "decoder cross k",
                2.0,
            ),
            ("weight", "weight", 0.0),
        ] {
            assert_eq!(kind_and_block(path), (kind.to_string(), block), "{path}");
        }
    }

    #[test]
    fn shares_are_drawn_where_a_method_freezes_directions() {
        let column = |name: &str| Column {
            name: name.to_string(),
            notation: Notation::Integer,
        };
        let mut table = LayerTable {
            columns: ["d_in", "d_out", "k_in", "k_out"].map(column).to_vec(),
            rows: Vec::new(),
        };
        assert_eq!(frozen_shares(&table).unwrap(), None);
        for block in 0..2 {
            table.rows.push(LayerRow {
                layer: format!("layers.{block}.q_proj.weight"),
                values: vec![Some(8.0), Some(4.0), Some(2.0), Some(0.0)],
            });
        }
        let svg = frozen_shares(&table).unwrap().unwrap();
        assert!(svg.contains("q_proj") && svg.contains("<svg"), "{svg}");
        table.columns.pop();
        assert_eq!(frozen_shares(&table).unwrap(), None);
        assert_eq!(losses("x", &[1.0, f64::NAN]).unwrap(), None);
        assert!(losses("x", &[1.0, 0.5]).unwrap().is_some());
    }
}
