//! Published scores on a benchmark, with sources and caveats.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Published scores on a benchmark; none was measured here.
///
/// A benchmark provides them as TOML, in points of 100; any score may be missing. If a source
/// reports several orders, `accuracy` and `backward_transfer` contain a score per order, or the
/// mean over a range of orders.
///
/// ```toml
/// [[sources]]
/// key = "osft"
/// text = "OSFT paper, table 1, T5-large"
/// caveat = "Only the OSFT row is its own."
///
/// [[rows]]
/// source = "osft"
/// method = "OSFT"
/// accuracy = { 1 = 75.3, 2 = 74.0, 3 = 78.4, 1-3 = 75.9 }
///
/// [[rows]]
/// source = "osft"
/// method = "SeqFT"
/// average_accuracy = 23.0
/// backward_transfer = -8.3
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Published {
    /// The sources of the scores.
    pub sources: Vec<PublishedSource>,
    /// The scores.
    pub rows: Vec<PublishedRow>,
}

/// A published table.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishedSource {
    /// Its key in the rows.
    pub key: String,
    /// Publication, table, model and scale.
    pub text: String,
    /// The caveat of a comparison with it.
    pub caveat: String,
}

/// The scores of one method on one order.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedRow {
    /// Key of the source.
    pub source: String,
    /// The method's name in the source.
    pub method: String,
    /// The order of the tasks, or `1-3` for the mean over several; `None` if the source has one
    /// order only.
    pub order: Option<String>,
    /// AA in points of 100.
    pub average_accuracy: Option<f64>,
    /// BWT in points of 100.
    pub backward_transfer: Option<f64>,
}

/// The content of a benchmark's file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    sources: Vec<PublishedSource>,
    rows: Vec<FileRow>,
}

/// A method's scores on one order, or by order.
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

impl Published {
    /// Reads the scores on some orders, and the means over ranges that contain them; `None` if the
    /// text has none.
    ///
    /// # Errors
    ///
    /// If the text is not TOML, or not of this form.
    pub(crate) fn read(text: &str, orders: &[&str]) -> Result<Option<Self>, toml::de::Error> {
        let file: File = toml::from_str(text)?;
        let mut rows: Vec<PublishedRow> = Vec::new();
        for row in file.rows {
            rows.extend(row.on(orders));
        }
        // Sort by order, then keep the order of the sources.
        rows.sort_by(|a, b| a.order.cmp(&b.order));
        let mut sources = file.sources;
        sources.retain(|source| rows.iter().any(|row| row.source == source.key));
        Ok((!rows.is_empty()).then_some(Self { sources, rows }))
    }
}

impl FileRow {
    /// The method's scores on some orders, or its only scores.
    fn on(self, orders: &[&str]) -> Vec<PublishedRow> {
        let (transfer, transfer_by_order) = match self.backward_transfer {
            Some(Figure::One(figure)) => (Some(figure), BTreeMap::new()),
            Some(Figure::ByOrder(figures)) => (None, figures),
            None => (None, BTreeMap::new()),
        };
        let new = |order: Option<&String>, accuracy, transfer| PublishedRow {
            source: self.source.clone(),
            method: self.method.clone(),
            order: order.cloned(),
            average_accuracy: accuracy,
            backward_transfer: transfer,
        };
        if self.accuracy.is_empty() && transfer_by_order.is_empty() {
            return vec![new(None, self.average_accuracy, transfer)];
        }
        let all: BTreeSet<&String> = self
            .accuracy
            .keys()
            .chain(transfer_by_order.keys())
            .collect();
        all.into_iter()
            .filter(|order| orders.iter().any(|wanted| covers(order, wanted)))
            .map(|order| {
                let accuracy = self.accuracy.get(order).copied();
                new(Some(order), accuracy, transfer_by_order.get(order).copied())
            })
            .collect()
    }
}

/// Whether an order or a range of orders contains an order.
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
mod tests {
    use super::*;

    #[test]
    fn a_range_covers_exactly_the_orders_between_its_ends() {
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
