//! Compares the orders of the tasks.

use continual::metrics;

use super::Summary;
use super::table::{empty_table, with_numbers};

/// A table of AA and BWT of every method on every order, with the means over the orders; `None` if
/// there is only one order.
pub fn orders_table(summaries: &[Summary], markdown: bool) -> Option<String> {
    let mut orders: Vec<&str> = Vec::new();
    // The first summary of each method represents it.
    let mut methods: Vec<&Summary> = Vec::new();
    for summary in summaries {
        let order = summary.order.as_deref()?;
        if !orders.contains(&order) {
            orders.push(order);
        }
        if !methods
            .iter()
            .any(|method| method.is_same_across_orders(summary))
        {
            methods.push(summary);
        }
    }
    let mut table = empty_table(markdown);
    let columns = orders.iter().map(|order| format!("order {order}"));
    let columns = columns.chain(["mean".to_string()]);
    let header = columns.flat_map(|column| [format!("{column}: AA"), "BWT".to_string()]);
    table.set_header(std::iter::once("method".to_string()).chain(header));
    for method in methods {
        let of_order = |order: &&str| {
            summaries.iter().find(|summary| {
                summary.order.as_deref() == Some(order) && method.is_same_across_orders(summary)
            })
        };
        let figures: Vec<[Option<f64>; 2]> = orders
            .iter()
            .map(|order| {
                let Some(summary) = of_order(order) else {
                    return [None, None];
                };
                let accuracy = summary.figure(metrics::average_accuracy);
                let transfer = summary.sequential_figure(metrics::backward_transfer);
                [accuracy, transfer].map(|figure| figure.map(|(mean, _)| mean))
            })
            .collect();
        let mean = [0, 1].map(|figure| {
            let values: Option<Vec<f64>> = figures.iter().map(|row| row[figure]).collect();
            metrics::mean_and_deviation(&values?).map(|(mean, _)| mean)
        });
        let shown = figures.iter().chain([&mean]).flatten();
        let shown = shown.map(|value| value.map_or("–".to_string(), |v| format!("{v:.1}")));
        table.add_row(std::iter::once(method.method.clone()).chain(shown));
    }
    Some(with_numbers(table))
}
