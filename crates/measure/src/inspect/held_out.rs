//! Whether the texts are enough: what directions from half of them leave free of the other half.

use continual::SampleCheck;

use report::page::{empty_table, with_numbers};

/// The description of the table.
pub const LEGEND: &str = "\
Energy, in percent, in the directions that a split from every other text leaves free: of these texts, and of the \
others. Much more of the others (twice as much, and a tenth of a percent) says that the texts are too few.";

/// A table with one row per layer, and with the mean and the worst layer.
pub fn table(sample: &SampleCheck) -> String {
    let mut table = empty_table(false);
    table.set_header(["layer", "in sample", "held out"]);
    let percent = |share: f64| format!("{:.2}", 100.0 * share);
    for layer in &sample.layers {
        table.add_row([
            layer.path.clone(),
            percent(layer.in_sample),
            percent(layer.held_out),
        ]);
    }
    let (Some((in_sample, held_out)), Some(worst)) = (sample.mean(), sample.worst()) else {
        return "The split reads no texts, or there are too few to hold some out.".to_string();
    };
    table.add_row(["mean".to_string(), percent(in_sample), percent(held_out)]);
    table.add_row([
        format!("worst: {}", worst.path),
        percent(worst.in_sample),
        percent(worst.held_out),
    ]);
    with_numbers(table)
}
