//! Published scores: with their sources, for the requested orders.

#![allow(clippy::unwrap_used)]

use benchmarks::{Benchmarks, Published, PublishedRow, Suite};

fn published(suite: &str, orders: &[&str]) -> Option<Published> {
    Benchmarks::builtin().published(suite, orders).unwrap()
}

#[test]
fn every_score_has_a_source_and_every_source_has_scores() {
    let all = ["1", "2", "3", "4", "5", "6"];
    for suite in [Suite::trace(), Suite::cl_benchmark()] {
        let scores = published(&suite.name, &all).unwrap();
        for row in &scores.rows {
            assert!(scores.sources.iter().any(|source| source.key == row.source));
            let accuracy = row.average_accuracy.unwrap_or_default();
            assert!((0.0..=100.0).contains(&accuracy), "{row:?}");
            assert!(row.average_accuracy.or(row.backward_transfer).is_some());
        }
        for source in &scores.sources {
            assert!(scores.rows.iter().any(|row| row.source == source.key));
            assert!(!source.caveat.is_empty());
        }
    }
    assert_eq!(published("mine", &all), None);
}

#[test]
fn scores_are_those_of_the_requested_orders() {
    let osft = |suite: &Suite, orders: &[&str]| -> Vec<(Option<String>, Option<f64>)> {
        let rows = published(&suite.name, orders).map_or(Vec::new(), |scores| scores.rows);
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
    // The means in the paper's table, rounded to one decimal, are the means over its orders.
    let mean = |orders: &[&str]| {
        let rows = osft(&cl, orders).into_iter();
        let single = rows.filter(|(order, _)| !order.as_ref().unwrap().contains('-'));
        single.map(|(_, figure)| figure.unwrap()).sum::<f64>() / 3.0
    };
    assert!((mean(&["1", "2", "3"]) - 75.9).abs() < 0.05);
    assert!((mean(&["4", "5", "6"]) - 71.3).abs() < 0.05);
}

#[test]
fn both_scores_of_a_row_belong_to_its_order() {
    let figures = |suite: &Suite, orders: &[&str], source: &str| -> Vec<_> {
        let scores = published(&suite.name, orders).unwrap();
        assert!(
            scores
                .sources
                .iter()
                .any(|candidate| candidate.key == source)
        );
        let rows = scores.rows.into_iter().filter(|row| row.source == source);
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
    // A source with one order has one score of each kind.
    let trace = figures(&Suite::trace(), &["1"], "osft");
    assert_eq!(trace[0], row("SeqFT", "", Some(23.0), Some(-8.3)));
}

#[test]
fn sources_without_a_score_on_the_orders_are_omitted() {
    let keys = |orders: &[&str]| -> Vec<String> {
        let scores = published("CL benchmark", orders);
        let sources = scores.map_or(Vec::new(), |scores| scores.sources);
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
