//! Settings as TOML tables: merges them and sets single keys.

use std::path::Path;

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::builder::RangedU64ValueParser;
use clap::value_parser;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

/// Reads a TOML file.
///
/// # Errors
///
/// If it cannot be read or parsed; the message names the line.
pub fn read_toml<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    toml::from_str(&text).map_err(|error| {
        let before = &text[..error.span().map_or(0, |span| span.start)];
        let line = before.matches('\n').count() + 1;
        anyhow!("{}, line {line}: {}", path.display(), error.message())
    })
}

/// A key whose table is one choice among several rules: it is replaced and never merged.
const CHOICE: &str = "protected_share";

/// Merges `over` into `base`, key by key; values of `over` replace those of `base`.
pub fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(table)) if key != CHOICE => {
                merge(inner, table);
            }
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Puts a later layer of settings over earlier ones. What it sets holds in every order: values that earlier layers have
/// for single orders give way to it.
pub(super) fn merge_layer(base: &mut Table, over: Table) {
    give_way(base, &over);
    merge(base, over);
}

/// Removes what a later layer sets aside: values of single orders that it has for all, and numbers of epochs of single tasks
/// if it has one for all.
pub(super) fn give_way(base: &mut Table, over: &Table) {
    let sets_epochs = over.contains_key("epochs");
    if sets_epochs {
        base.remove("task_epochs");
    }
    let Some(Value::Table(orders)) = base.get_mut("by_order") else {
        return;
    };
    for changes in orders
        .iter_mut()
        .filter_map(|(_, value)| value.as_table_mut())
    {
        remove(changes, over);
        if sets_epochs {
            changes.remove("task_epochs");
        }
    }
    orders.retain(|_, changes| changes.as_table().is_none_or(|table| !table.is_empty()));
}

/// Removes every value that another table has too.
fn remove(table: &mut Table, other: &Table) {
    table.retain(|key, value| match (value, other.get(key)) {
        (Value::Table(inner), Some(Value::Table(other))) if key != CHOICE => {
            remove(inner, other);
            !inner.is_empty()
        }
        (_, found) => found.is_none(),
    });
}

/// Reads a seed on a command line: a number of a TOML file has 63 bits.
pub fn seed_parser() -> RangedU64ValueParser<u64> {
    value_parser!(u64).range(..=i64::MAX as u64)
}

/// The value at a dotted key, such as `train.validation`.
pub fn value_at<'a>(table: &'a Table, key: &str) -> Option<&'a Value> {
    let mut parts = key.split('.');
    let first = table.get(parts.next()?);
    parts.fold(first, |value, part| value?.get(part))
}

/// Parses a pair such as `train.epochs=3`; the value is TOML, or a plain string if it does not
/// parse.
///
/// # Errors
///
/// A pair without `=`.
pub fn pair_as_table(pair: &str) -> Result<Table> {
    let Some((key, text)) = pair.split_once('=') else {
        bail!("--set {pair:?}: expected key=value, for instance train.global_batch=8");
    };
    let value = toml::from_str::<Table>(&format!("value = {text}"))
        .ok()
        .and_then(|mut parsed| parsed.remove("value"))
        .unwrap_or_else(|| Value::String(text.to_string()));
    let mut over = value;
    for part in key.trim().rsplit('.') {
        ensure!(
            !part.is_empty(),
            "--set {pair:?}: the key has an empty part"
        );
        let mut table = Table::new();
        table.insert(part.to_string(), over);
        over = Value::Table(table);
    }
    match over {
        Value::Table(over) => Ok(over),
        _ => bail!("--set {pair:?}: the key is empty"),
    }
}

/// Lists the settings that differ between two tables, with both values.
pub fn differences(there: &Table, here: &Table) -> Vec<String> {
    let mut differences = Vec::new();
    compare("", there, here, &mut differences);
    differences
}

fn compare(prefix: &str, there: &Table, here: &Table, differences: &mut Vec<String>) {
    let shown = |value: Option<&Value>| value.map_or("not set".to_string(), Value::to_string);
    let only_here = here.keys().filter(|key| !there.contains_key(*key));
    for key in there.keys().chain(only_here) {
        match (there.get(key), here.get(key)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) if key != CHOICE => {
                compare(&format!("{prefix}{key}."), a, b, differences);
            }
            (a, b) if a != b => differences.push(format!(
                "{prefix}{key} is {} there, {} here",
                shown(a),
                shown(b)
            )),
            _ => {}
        }
    }
}
