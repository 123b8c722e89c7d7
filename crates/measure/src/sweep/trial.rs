//! The trials of a method: which settings a search tries.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Error, Result, bail, ensure};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use runs::settings::{RunConfig, value_at};
use toml::Value;

/// What a search tries.
#[derive(Clone, Debug, PartialEq)]
pub enum Search {
    /// Every learning rate of `tune_grid`, the same for all methods.
    Grid,
    /// So many draws for every method: of a learning rate between the ends of `tune_grid`, and of the settings
    /// that the method names as worth searching.
    Random {
        /// Number of draws.
        trials: usize,
        /// Seed of the draws.
        seed: u64,
    },
    /// Every combination of the values of some settings, at the method's learning rate.
    Axes(Vec<Axis>),
}

/// Values of one setting to try.
#[derive(Clone, Debug, PartialEq)]
pub enum Axis {
    /// The present value, and as much below and above: `KEY=STEP`.
    Around {
        /// The setting.
        key: String,
        /// How far below and above.
        step: f64,
    },
    /// A list: `KEY=VALUE,VALUE`.
    Values {
        /// The setting.
        key: String,
        /// Its values.
        values: Vec<Value>,
    },
}

/// One configuration of a method to try.
pub struct Trial {
    /// The method.
    pub method: String,
    /// Learning rate.
    pub rate: f64,
    /// All settings.
    pub config: RunConfig,
    /// The settings beside the rate that it tries, by their keys.
    pub tried: Vec<(String, Value)>,
}

/// Most draws of a random search: more would be a mistake in typing.
const MOST_TRIALS: usize = 10_000;

/// The trials of a method; their number is the same for every method.
///
/// # Errors
///
/// If a setting is unknown or out of range, or there is nothing to try.
pub fn trials(config: &RunConfig, method: &str, search: &Search) -> Result<Vec<Trial>> {
    let trial = |rate: f64, tried: Vec<(String, Value)>| {
        let mut config = config.clone();
        for (key, value) in &tried {
            check_orders(&config, key)?;
            config = config.with_setting(key, value.clone())?;
        }
        config.learning_rates.insert(method.to_string(), rate);
        // Only this method: what the others need is not this trial's matter.
        config.compare = vec![method.to_string()];
        let method = method.to_string();
        Ok(Trial {
            method,
            rate,
            config,
            tried,
        })
    };
    match search {
        Search::Grid => {
            let rates = config.tune_grid.iter();
            rates.map(|&rate| trial(rate, Vec::new())).collect()
        }
        Search::Random { trials, seed } => {
            ensure!(
                (1..=MOST_TRIALS).contains(trials),
                "{trials} trials: expected from 1 to {MOST_TRIALS}"
            );
            let drawn = drawn(config, method, *trials, *seed)?.into_iter();
            drawn.map(|(rate, tried)| trial(rate, tried)).collect()
        }
        Search::Axes(axes) => {
            let rate = config.learning_rate(method);
            let combinations = combinations(config, method, axes)?.into_iter();
            combinations.map(|tried| trial(rate, tried)).collect()
        }
    }
}

/// Refuses to try a setting for which an order has a value of its own: that one would hold in every trial.
fn check_orders(config: &RunConfig, key: &str) -> Result<()> {
    for order in config.orders() {
        let changes = config.by_order.get(&order);
        ensure!(
            changes.is_none_or(|changes| value_at(changes, key).is_none()),
            "order {order} has a value of its own for {key} (by_order.{order}), which would hold in every trial: search \
             that order alone, with --order {order}"
        );
    }
    Ok(())
}

type Drawn = (f64, Vec<(String, Value)>);

/// Random rates and settings. All methods draw the same rates: a method with more settings has no other ones.
///
/// The range of a rate and of each setting has `trials` parts, equally wide (of a rate in the logarithm). One value is
/// drawn from each part, and the parts of several ranges are paired at random (a Latin hypercube), so that a few trials
/// leave no wide gap in any of them.
fn drawn(config: &RunConfig, method: &str, trials: usize, seed: u64) -> Result<Vec<Drawn>> {
    let grid = config.tune_grid.iter().copied();
    let low = grid
        .clone()
        .reduce(f64::min)
        .context("tune_grid is empty")?;
    let high = grid.reduce(f64::max).context("tune_grid is empty")?;
    let searched = config.kind(method)?.searched(config.method(method))?;
    let mut drawn: Vec<Drawn> = shares(trials, seed, 0)
        .map(|share| {
            (
                rounded((low.ln() + share * (high.ln() - low.ln())).exp()),
                Vec::new(),
            )
        })
        .collect();
    for (setting, stream) in searched.iter().zip(1..) {
        let key = format!("methods.{method}.{}", setting.name);
        for ((_, tried), share) in drawn.iter_mut().zip(shares(trials, seed, stream)) {
            let value = setting.range.at(share);
            let value = value.with_context(|| format!("{key}: there is no value to search"))?;
            let value = match value {
                Value::Float(value) => Value::from(rounded(value)),
                other => other,
            };
            tried.push((key.clone(), value));
        }
    }
    Ok(drawn)
}

/// A number from each of `count` equal parts of `[0, 1)`, in a random order.
fn shares(count: usize, seed: u64, stream: u64) -> impl Iterator<Item = f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    let mut parts: Vec<usize> = (0..count).collect();
    parts.shuffle(&mut random);
    parts.into_iter().map(move |part| {
        let within: f64 = random.random();
        (part as f64 + within) / count as f64
    })
}

/// Three digits: a search finds no more, and a reader can type them.
fn rounded(value: f64) -> f64 {
    format!("{value:.2e}").parse().unwrap_or(value)
}

/// All combinations of the values of some settings.
fn combinations(
    config: &RunConfig,
    method: &str,
    axes: &[Axis],
) -> Result<Vec<Vec<(String, Value)>>> {
    let mut all = vec![Vec::new()];
    for axis in axes {
        let key = axis.key();
        ensure!(
            key.starts_with(&format!("methods.{method}.")) && config.compare.len() == 1,
            "{key} must be a setting of the one method that is searched, for instance methods.{method}.KEY \
             with --method {method}"
        );
        let values = axis.values(config)?;
        for (place, value) in values.iter().enumerate() {
            ensure!(
                !values[..place].contains(value),
                "{key} would be tried at {value} twice: name each value once"
            );
        }
        ensure!(
            axes.iter().filter(|other| other.key() == key).count() == 1,
            "{key} is named twice: name all of its values in one --vary"
        );
        let longer = |tried: &Vec<(String, Value)>| {
            let tried = tried.clone();
            let values = values.iter().cloned();
            values
                .map(|value| [tried.clone(), vec![(key.to_string(), value)]].concat())
                .collect::<Vec<_>>()
        };
        all = all.iter().flat_map(longer).collect();
        ensure!(
            all.len() <= MOST_TRIALS,
            "more than {MOST_TRIALS} combinations of settings"
        );
    }
    Ok(all)
}

impl Axis {
    /// Reads `KEY=STEP`.
    ///
    /// # Errors
    ///
    /// What was expected.
    pub fn around(text: &str) -> Result<Self> {
        let (key, step) = pair(text)?;
        let step: f64 = step.parse().ok().with_context(|| {
            format!("{text:?}: expected KEY=STEP with a number, for instance KEY=0.05")
        })?;
        ensure!(
            step > 0.0 && step.is_finite(),
            "{text:?}: the step must be above 0"
        );
        let key = key.to_string();
        Ok(Self::Around { key, step })
    }

    fn key(&self) -> &str {
        match self {
            Self::Around { key, .. } | Self::Values { key, .. } => key,
        }
    }

    fn values(&self, config: &RunConfig) -> Result<Vec<Value>> {
        match self {
            Self::Values { values, .. } => Ok(values.clone()),
            Self::Around { key, step } => {
                let Some(present) = config.setting(key)? else {
                    bail!(
                        "{key} has no present value to go around: set it first, or choose the rule that \
                         has it"
                    );
                };
                let number = present.as_float();
                let whole = present.as_integer().map(|value| value as f64);
                let Some(middle) = number.or(whole) else {
                    bail!("{key} is {present}, not a number to go around");
                };
                if whole.is_some() {
                    ensure!(
                        step.fract() == 0.0,
                        "{key} is {present}, a whole number: the step must be one too, not {step}"
                    );
                    let values = [middle - step, middle, middle + step];
                    return Ok(values.map(|value| Value::from(value as i64)).to_vec());
                }
                // Without the last digits that adding leaves: 0.1 + 0.05 is 0.15.
                let place = |value: f64| rounded_like(value, *step);
                let values = [middle - step, middle, middle + step].map(place);
                Ok(values.map(Value::from).to_vec())
            }
        }
    }
}

impl FromStr for Axis {
    type Err = Error;

    /// Reads `KEY=VALUE,VALUE`, the values as TOML.
    fn from_str(text: &str) -> Result<Self> {
        let (key, list) = pair(text)?;
        let parsed: Result<toml::Table, _> = toml::from_str(&format!("values = [{list}]"));
        let values = parsed.ok().and_then(|mut table| table.remove("values"));
        match values {
            Some(Value::Array(values)) if !values.is_empty() => Ok(Self::Values {
                key: key.to_string(),
                values,
            }),
            _ => bail!(
                "{text:?}: expected KEY=VALUE,VALUE with values as in TOML, for instance KEY=0.1,0.2 or \
                 KEY='a','b'"
            ),
        }
    }
}

/// The key and what is behind its `=`.
fn pair(text: &str) -> Result<(&str, &str)> {
    let pair = text.split_once('=');
    pair.with_context(|| format!("{text:?}: expected KEY=…, for instance methods.NAME.KEY=0.05"))
}

/// A number with three digits more than a step has.
fn rounded_like(value: f64, step: f64) -> f64 {
    let decimals = (3.0 - step.log10().floor()).clamp(0.0, 300.0) as usize;
    format!("{value:.decimals$}").parse().unwrap_or(value)
}

impl fmt::Display for Search {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grid => write!(
                out,
                "Every method tries every learning rate of `tune_grid`."
            ),
            Self::Random { trials, seed } => write!(
                out,
                "Every method tries {trials} draws of seed {seed}: a learning rate between the ends of \
                 `tune_grid`, one from each of equal parts of its logarithm, and the settings that the method \
                     names."
            ),
            Self::Axes(axes) => {
                let keys: Vec<&str> = axes.iter().map(Axis::key).collect();
                write!(
                    out,
                    "Every combination of values of {}, at the learning rate of the settings.",
                    keys.join(" and ")
                )
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "trial_tests.rs"]
mod tests;
