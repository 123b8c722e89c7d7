//! What others have published on a benchmark, with the source and what is known against it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::Suite;

const TRACE: &str = include_str!("../published/trace.toml");
const CL_BENCHMARK: &str = include_str!("../published/cl-benchmark.toml");

/// Published figures on a benchmark; none of them was measured here.
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// Where they are from.
    pub sources: Vec<PublishedSource>,
    /// The figures.
    pub rows: Vec<PublishedRow>,
}

/// A table that was published.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSource {
    /// What rows call it.
    pub key: String,
    /// Publication, table, model and scale.
    pub text: String,
    /// What is known against comparing with it.
    pub caveat: String,
}

/// The figures of one method over one order.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRow {
    /// Key of the source.
    pub source: String,
    /// The method as the source calls it.
    pub method: String,
    /// The order of the tasks, or `1-3` for the mean over several; `None` where the source has one.
    pub order: Option<String>,
    /// AA in points of 100.
    pub average_accuracy: Option<f64>,
    /// BWT in points of 100.
    pub backward_transfer: Option<f64>,
}

/// A file of figures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: Vec<PublishedSource>,
    rows: Vec<FileRow>,
}

/// A method's figures, of one order or by order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRow {
    source: String,
    method: String,
    average_accuracy: Option<f64>,
    backward_transfer: Option<Figure>,
    #[serde(default)]
    accuracy: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Figure {
    One(f64),
    ByOrder(BTreeMap<String, f64>),
}

/// What was published on the suite of that name for some of its orders, and for the means over orders that they
/// belong to, if anything is known.
pub fn published(suite: &str, orders: &[&str]) -> Option<Published> {
    let text = match suite {
        name if name == Suite::trace().name => TRACE,
        name if name == Suite::cl_benchmark().name => CL_BENCHMARK,
        _ => return None,
    };
    let file: File = toml::from_str(text).ok()?;
    let mut rows: Vec<PublishedRow> = Vec::new();
    for row in file.rows {
        let by_order = match &row.backward_transfer {
            Some(Figure::ByOrder(figures)) => figures.clone(),
            _ => BTreeMap::new(),
        };
        let new = |order: Option<&String>, accuracy, transfer| PublishedRow {
            source: row.source.clone(),
            method: row.method.clone(),
            order: order.cloned(),
            average_accuracy: accuracy,
            backward_transfer: transfer,
        };
        if row.accuracy.is_empty() && by_order.is_empty() {
            let transfer = match row.backward_transfer {
                Some(Figure::One(figure)) => Some(figure),
                _ => None,
            };
            rows.push(new(None, row.average_accuracy, transfer));
        }
        let known: BTreeSet<&String> = row.accuracy.keys().chain(by_order.keys()).collect();
        for order in known {
            if orders.iter().any(|wanted| covers(order, wanted)) {
                let accuracy = row.accuracy.get(order).copied();
                rows.push(new(Some(order), accuracy, by_order.get(order).copied()));
            }
        }
    }
    // The order first, then the source.
    rows.sort_by(|a, b| a.order.cmp(&b.order));
    let mut sources = file.sources;
    sources.retain(|source| rows.iter().any(|row| row.source == source.key));
    (!rows.is_empty()).then_some(Published { sources, rows })
}

/// Whether figures of an order, or of a range of orders, are about another one.
fn covers(order: &str, wanted: &str) -> bool {
    match (order.split_once('-'), wanted.parse::<usize>()) {
        (Some((first, last)), Ok(number)) => {
            let bound = |text: &str| text.parse::<usize>();
            matches!((bound(first), bound(last)), (Ok(a), Ok(b)) if (a..=b).contains(&number))
        }
        _ => order == wanted,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_figure_has_its_source_and_every_source_its_figures() {
        let all = ["1", "2", "3", "4", "5", "6"];
        for suite in [Suite::trace(), Suite::cl_benchmark()] {
            let found = published(&suite.name, &all).unwrap();
            for row in &found.rows {
                assert!(found.sources.iter().any(|source| source.key == row.source));
                let accuracy = row.average_accuracy.unwrap_or_default();
                assert!((0.0..=100.0).contains(&accuracy), "{row:?}");
                assert!(row.average_accuracy.or(row.backward_transfer).is_some());
            }
            for source in &found.sources {
                assert!(found.rows.iter().any(|row| row.source == source.key));
                assert!(!source.caveat.is_empty());
            }
        }
        assert_eq!(published("mine", &all), None);
    }

    #[test]
    fn figures_are_those_of_the_orders_asked_for() {
        let osft = |suite: &Suite, orders: &[&str]| -> Vec<(Option<String>, Option<f64>)> {
            let rows = published(&suite.name, orders).map_or(Vec::new(), |found| found.rows);
            rows.into_iter()
                .filter(|row| row.method == "OSFT" && row.source == "osft")
                .map(|row| (row.order, row.average_accuracy))
                .collect()
        };
        assert_eq!(osft(&Suite::trace(), &["1"]), [(None, Some(48.4))]);
        let order = |name: &str, figure| (Some(name.to_string()), Some(figure));
        let cl = Suite::cl_benchmark();
        assert_eq!(osft(&cl, &["1"]), [order("1", 75.3), order("1-3", 75.9)]);
        assert_eq!(osft(&cl, &["6"]), [order("4-6", 71.3), order("6", 72.7)]);
        assert_eq!(osft(&cl, &["7"]), []);
        // The means of the paper's table, of one decimal, are those of its orders.
        let mean = |orders: &[&str]| {
            let rows = osft(&cl, orders).into_iter();
            let single = rows.filter(|(order, _)| !order.as_ref().unwrap().contains('-'));
            single.map(|(_, figure)| figure.unwrap()).sum::<f64>() / 3.0
        };
        assert!((mean(&["1", "2", "3"]) - 75.9).abs() < 0.05);
        assert!((mean(&["4", "5", "6"]) - 71.3).abs() < 0.05);
    }

    #[test]
    fn both_figures_of_a_row_are_of_its_order() {
        let figures = |suite: &Suite, orders: &[&str], source: &str| -> Vec<_> {
            let found = published(&suite.name, orders).unwrap();
            assert!(found.sources.iter().any(|known| known.key == source));
            let rows = found.rows.into_iter().filter(|row| row.source == source);
            rows.map(|row| {
                let PublishedRow { method, order, .. } = row;
                let order = order.unwrap_or_default();
                (method, order, row.average_accuracy, row.backward_transfer)
            })
            .collect()
        };
        let row = |method: &str, order: &str, accuracy, transfer| {
            (method.to_string(), order.to_string(), accuracy, transfer)
        };
        let cl = Suite::cl_benchmark();
        let osft = [
            row("OSFT", "4", Some(71.6), Some(-5.5)),
            row("OSFT", "4-6", Some(71.3), None),
        ];
        assert_eq!(figures(&cl, &["4"], "osft"), osft);
        let gorp = [
            row("GORP", "1-3", Some(79.8), Some(-0.8)),
            row("O-LoRA", "1-3", None, Some(-7.8)),
        ];
        assert_eq!(figures(&cl, &["3"], "gorp"), gorp);
        let log = [
            row("SeqFT", "1", Some(67.8), None),
            row("SeqLoRA", "1", Some(62.9), None),
            row("IncLoRA", "1", Some(68.6), Some(-14.6)),
            row("O-LoRA", "1", Some(78.4), Some(-1.2)),
            row("SeqLoRA", "6", Some(32.0), Some(-48.0)),
            row("IncLoRA", "6", Some(58.4), Some(-19.4)),
            row("O-LoRA", "6", Some(72.2), Some(-0.7)),
        ];
        assert_eq!(figures(&cl, &["6", "1"], "log"), log);
        // One figure each where a source has one order.
        let trace = figures(&Suite::trace(), &["1"], "osft");
        assert_eq!(trace[0], row("SeqFT", "", Some(23.0), Some(-8.3)));
    }

    #[test]
    fn sources_without_a_figure_on_the_orders_are_left_out() {
        let keys = |orders: &[&str]| -> Vec<String> {
            let found = published("CL benchmark", orders);
            let sources = found.map_or(Vec::new(), |found| found.sources);
            sources.into_iter().map(|source| source.key).collect()
        };
        assert_eq!(
            keys(&["1"]),
            ["osft", "o-lora", "migu", "log", "rerun", "gorp"]
        );
        assert_eq!(keys(&["4"]), ["osft", "o-lora", "migu", "gorp"]);
        assert_eq!(keys(&["7"]), [""; 0]);
        assert_eq!(published("CL benchmark", &["7"]), None);
    }

    #[test]
    fn a_range_covers_its_ends_and_nothing_beside_them() {
        for (order, wanted, expected) in [
            ("4-6", "4", true),
            ("4-6", "5", true),
            ("4-6", "6", true),
            ("4-6", "3", false),
            ("4-6", "7", false),
            ("4", "4", true),
            ("4", "5", false),
            ("1", "10", false),
            ("4-6", "dbpedia,amazon", false),
        ] {
            assert_eq!(covers(order, wanted), expected, "{order} {wanted}");
        }
    }
}
