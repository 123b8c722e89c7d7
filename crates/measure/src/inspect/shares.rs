//! A share for every layer by what its free directions are worth to the loss, instead of one energy for all.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use comfy_table::{CellAlignment, Table, presets};
use continual::methods::write_absent;
use lm::{Example, Model};
use osft::{Osft, OsftConfig, ShareRule, SplitContext, TargetShare, Targets};
use report::record::RunFolder;
use runs::Progress;
use toml::Value;

use super::probe::loss;

/// Shares of the energy that are tried, ascending.
const ENERGIES: [f64; 10] = [0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.97, 0.99, 0.995, 0.999];

/// The share of a target of which every direction is protected.
const EVERYTHING: f64 = 1.0;

/// The file of settings.
pub const FILE: &str = "shares.toml";

/// The description of the shares in the report.
pub const LEGEND: &str = "\
For every target the smallest of ten shares of its energy at which the loss on texts that were not calibrated on rises by \
no more than the given cost when the free directions of this target alone are cut; where even the largest share costs \
more, everything is protected. The share is found by halving, as if a larger one never cost more. `shares.toml` holds \
them as settings of osft, with the source and the form that they were found for.";

/// The share of a target.
struct OfTarget {
    path: String,
    /// The share of the energy; 1 for all directions, if every smaller one costs too much.
    energy: f64,
    protected: [usize; 2],
    /// What the loss rises by when the free directions are cut, in nats per token.
    cost: f64,
}

/// The shares of all targets.
pub struct Shares {
    targets: Vec<OfTarget>,
    limit: f64,
    /// Loss of the whole model.
    full: f64,
    /// Loss when the free directions of all targets are cut.
    cut: f64,
}

/// Finds the shares at which cutting the free directions of a target costs at most `limit` nats per token. `paths` are those
/// of all targets.
///
/// # Errors
///
/// A limit that is not above 0, a split that fails, no text to measure the loss on.
pub fn find(
    model: &Model,
    config: &OsftConfig,
    context: &SplitContext<'_>,
    texts: &[Example],
    paths: &[String],
    limit: f64,
) -> Result<Shares> {
    ensure!(
        limit > 0.0 && limit.is_finite(),
        "--shares-by-loss {limit}: expected a number of nats per token above 0"
    );
    let full = loss(model, texts)?;
    let progress = Progress::new(paths.len() as u64);
    let mut targets = Vec::new();
    for path in paths {
        progress.advance(1, path);
        targets.push(of_target(
            model,
            config,
            context,
            texts,
            path,
            (full, limit),
        )?);
    }
    progress.finish();
    let mut own = config.clone();
    own.target_shares = target_shares(&targets);
    let cut = loss(
        &Osft::split_in(model, &own, context)?.truncate(model.clone())?,
        texts,
    )?;
    Ok(Shares {
        targets,
        limit,
        full,
        cut,
    })
}

/// The smallest share that costs at most the limit: a larger one costs no more, so that half of the others is ruled out
/// by each.
fn of_target(
    model: &Model,
    config: &OsftConfig,
    context: &SplitContext<'_>,
    texts: &[Example],
    path: &str,
    (full, limit): (f64, f64),
) -> Result<OfTarget> {
    let at = |energy: f64| -> Result<OfTarget> {
        let split = split(model, config, context, path, energy)?;
        let layer = &split.layers()[0];
        let protected = [layer.k_in, layer.k_out];
        let cost = loss(&split.truncate(model.clone())?, texts)? - full;
        Ok(OfTarget {
            path: path.to_string(),
            energy,
            protected,
            cost,
        })
    };
    let (mut low, mut high) = (0, ENERGIES.len());
    let mut found = None;
    while low < high {
        let middle = (low + high) / 2;
        let tried = at(ENERGIES[middle])?;
        match tried.cost <= limit {
            true => {
                high = middle;
                found = Some(tried);
            }
            false => low = middle + 1,
        }
    }
    match found {
        Some(found) => Ok(found),
        None => at(EVERYTHING),
    }
}

/// The split of one target with this share of the energy.
fn split(
    model: &Model,
    config: &OsftConfig,
    context: &SplitContext<'_>,
    path: &str,
    energy: f64,
) -> Result<Osft> {
    let mut config = config.clone();
    config.target_shares.clear();
    config.protected_share = rule(energy);
    config.targets = Targets::matching([whole(path)]);
    Ok(Osft::split_in(model, &config, context)?)
}

/// The rule for a share of the energy. Directions without any energy in the sample may have some elsewhere, so that all
/// of the energy is not yet everything.
fn rule(energy: f64) -> ShareRule {
    match energy >= EVERYTHING {
        true => ShareRule::fixed(EVERYTHING),
        false => ShareRule::energy(energy),
    }
}

/// A pattern that only this path matches.
fn whole(path: &str) -> String {
    format!("^{}$", escaped(path))
}

/// A path as a regular expression; dots are the only characters of paths that mean something in one.
fn escaped(path: &str) -> String {
    path.replace('.', "\\.")
}

/// One share for all targets that have the same.
fn target_shares(targets: &[OfTarget]) -> Vec<TargetShare> {
    let mut by_energy: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for target in targets {
        // Positive numbers have the order of their bits.
        let own = by_energy.entry(target.energy.to_bits()).or_default();
        own.push(escaped(&target.path));
    }
    let shares = by_energy.into_iter().map(|(energy, paths)| TargetShare {
        targets: format!("^({})$", paths.join("|")),
        protected_share: rule(f64::from_bits(energy)),
    });
    shares.collect()
}

impl Shares {
    /// A table with one row per target, and what cutting all free directions at once costs.
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_FULL_CONDENSED);
        table.set_header(["target", "energy", "protected in", "out", "cost, nats"]);
        for target in &self.targets {
            table.add_row([
                target.path.clone(),
                target.energy.to_string(),
                target.protected[0].to_string(),
                target.protected[1].to_string(),
                format!("{:.4}", target.cost),
            ]);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        format!(
            "{table}\nat most {} nats each; all of them at once: {:.4} instead of {:.4}, {:+.4} nats",
            self.limit,
            self.cut,
            self.full,
            self.cut - self.full
        ) + &self.above()
    }

    /// Says which targets cost more than the limit whatever is protected: a sketch has no directions beyond its rows.
    fn above(&self) -> String {
        let above = self
            .targets
            .iter()
            .filter(|target| target.cost > self.limit);
        let above: Vec<&str> = above.map(|target| target.path.as_str()).collect();
        match above.is_empty() {
            true => String::new(),
            false => format!(
                "\nmore even with all known directions protected: {}",
                above.join(", ")
            ),
        }
    }

    /// Writes the settings to `shares.toml`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be written.
    pub fn write(&self, folder: &RunFolder, config: &OsftConfig) -> Result<()> {
        let mut config = config.clone();
        config.target_shares = target_shares(&self.targets);
        let mut settings = toml::Table::try_from(&config)?;
        write_absent(&mut settings);
        let settings = Value::Table(settings);
        let nested =
            |name: &str, value| Value::Table([(name.to_string(), value)].into_iter().collect());
        let settings = nested("methods", nested("osft", settings));
        let text = format!(
            "# Shares of the energy at which cutting a target's free directions costs at most {} nats per token.\n{}",
            self.limit,
            toml::to_string(&settings)?
        );
        folder.write(FILE, text.as_bytes())
    }
}
