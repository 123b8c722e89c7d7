//! A benchmark's part of the settings: its defaults and presets.

use anyhow::{Context, Result, anyhow, ensure};
use toml::{Table, Value};

use crate::registries::Registries;

/// Settings for the built-in model and suite; `trace --tune` found the learning rates.
const BUILTIN: &str = include_str!("../../settings/builtin.toml");

/// Settings that differ for a user's own model or data.
const GIVEN: &str = include_str!("../../settings/given.toml");

/// The layers of a benchmark's default settings; later layers override earlier ones.
pub(super) fn layers(
    registries: &Registries,
    command: &str,
    given: bool,
) -> Result<Vec<&'static str>> {
    let benchmark = registries.benchmarks.find(command);
    let benchmark = benchmark.ok_or_else(|| unknown(registries, command))?;
    let mut layers = vec![BUILTIN, benchmark.settings()];
    if given {
        layers.extend([GIVEN, benchmark.given_settings()]);
    }
    Ok(layers)
}

/// The part of a benchmark's bounded settings that goes with what was chosen over the defaults.
pub(super) fn bounded(
    registries: &Registries,
    command: &str,
    given: bool,
    chosen: &Table,
) -> Result<Table> {
    let benchmark = registries.benchmarks.find(command);
    let benchmark = benchmark.ok_or_else(|| unknown(registries, command))?;
    let all = benchmark.bounded_settings(given);
    let mut all: Table = toml::from_str(all).context("bounded settings")?;
    let of = |table: &Table, method: &str| {
        let methods = table.get("methods").and_then(Value::as_table);
        let own = methods.and_then(|methods| methods.get(method)?.as_table());
        own.cloned().unwrap_or_default()
    };
    for kind in registries.methods.iter() {
        if kind.takes_bound(&of(chosen, kind.name())) {
            continue;
        }
        for (_, part) in all.iter_mut() {
            if let Value::Table(methods) = part {
                methods.remove(kind.name());
            }
        }
    }
    Ok(all)
}

/// A preset for a benchmark.
pub(super) fn preset(registries: &Registries, command: &str, name: &str) -> Result<Table> {
    let preset = registries.benchmarks.preset(name);
    let (benchmark, preset) = preset.ok_or_else(|| anyhow!("there is no preset {name:?}"))?;
    ensure!(
        benchmark.command() == command,
        "preset {name} is about `experiments {}`, not `experiments {command}`",
        benchmark.command()
    );
    toml::from_str(preset.settings).context("settings of a preset")
}

pub(super) fn unknown(registries: &Registries, command: &str) -> anyhow::Error {
    let commands: Vec<&str> = registries
        .benchmarks
        .iter()
        .map(|benchmark| benchmark.command())
        .collect();
    anyhow!(
        "there is no benchmark {command:?}; there are {}",
        commands.join(", ")
    )
}
