//! The settings of `osft finetune`: those of a benchmark's runs, with its own defaults.

use anyhow::{Context, Result};
use benchmarks::{BOUNDED_GIVEN, Benchmark, Suite};
use runs::settings::{RowsConfig, RunConfig};

/// Name under which the settings are known.
pub const COMMAND: &str = "finetune";

/// Peak learning rates by the number of a model's parameters (up to so many), for methods that train whole weights. A
/// method that protects directions takes three times as much: it moves less of a weight. Found for the built-in model
/// and, for OSFT, for SmolLM2-135M; published for models of 7 billion, and put on a line between. None of them is tuned to
/// a user's rows.
const RATES: [(usize, f64); 4] = [
    (20_000_000, 3e-4),
    (400_000_000, 1e-4),
    (2_000_000_000, 3e-5),
    (usize::MAX, 1e-5),
];

/// The settings as an entry of the registry of benchmarks, which gives them their defaults.
#[derive(Clone, Copy, Debug)]
pub struct OwnRows;

impl Benchmark for OwnRows {
    fn command(&self) -> &'static str {
        COMMAND
    }

    fn help(&self) -> &'static str {
        "Teach a model the rows of a file, and report what it gained and what it lost"
    }

    fn suite(&self) -> Suite {
        Suite {
            name: "own rows".to_string(),
            tasks: Vec::new(),
            orders: Vec::new(),
            general: None,
        }
    }

    fn given_settings(&self) -> &'static str {
        include_str!("../settings/finetune.toml")
    }

    fn bounded_settings(&self, _: bool) -> &'static str {
        BOUNDED_GIVEN
    }
}

/// The peak learning rate of a method for a model of so many parameters.
pub fn learning_rate(method: &str, parameters: usize) -> f64 {
    let rate = RATES.iter().find(|(most, _)| parameters <= *most);
    let rate = rate.map_or(1e-5, |(_, rate)| *rate);
    let times = match method {
        "osft" | "osft-paper" | "osft-lwf" | "gpm" | "sgp" | "adam-nscl" => 3.0,
        // Adapters start at zero, or small, and are scaled down.
        "lora" | "lora-decay" | "inc-lora" | "o-lora" | "milora" | "seq-svd" => 10.0,
        _ => 1.0,
    };
    // Rounded to a number that is short in decimals: cards show it.
    (times * rate * 1e9).round() / 1e9
}

/// The rows of a configuration.
///
/// # Errors
///
/// If the configuration is not of `osft finetune`.
pub fn rows(config: &RunConfig) -> Result<&RowsConfig> {
    let rows = config.rows.as_ref();
    rows.context("these settings have no rows: they are not of `osft finetune`")
}

/// The only method of a configuration.
///
/// # Errors
///
/// If it names none.
pub fn method(config: &RunConfig) -> Result<&str> {
    let method = config.compare.first();
    Ok(method.context("compare is empty: name one method")?)
}

/// The model's folder of a configuration.
///
/// # Errors
///
/// If it names none.
pub fn model(config: &RunConfig) -> Result<&std::path::Path> {
    let model = config.model.as_deref();
    model.context("these settings name no model")
}

#[cfg(test)]
mod tests {
    use super::learning_rate;

    #[test]
    fn rates_fall_with_the_size_and_are_short_in_decimals() {
        for (method, parameters, expected) in [
            ("seqft", 1_000_000, "3e-4"),
            ("osft", 1_000_000, "9e-4"),
            ("osft-lwf", 1_000_000, "9e-4"),
            ("gpm", 1_000_000, "9e-4"),
            ("osft", 135_000_000, "3e-4"),
            ("lora", 1_000_000_000, "3e-4"),
            ("osft-paper", 7_000_000_000, "3e-5"),
            ("o-lora", 20_000_000, "3e-3"),
            // What it trains is the larger part of the weights, as for seqft.
            ("pissa", 7_000_000_000, "1e-5"),
        ] {
            assert_eq!(format!("{:e}", learning_rate(method, parameters)), expected);
        }
    }
}
