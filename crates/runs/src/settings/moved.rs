//! Settings of earlier versions: what stands in another place now, and what they left out.

use continual::methods::write_absent;
use toml::{Table, Value};

use super::merge;
use crate::registries::Registries;

/// Settings with everything where it belongs: `methods = [..]` was the list of methods to compare, and the
/// settings of a method stood under its name, with `_` for `-`, at the top. The complete settings of a split left out
/// the bound where there was none, and the moment where it was the plain one.
pub fn translated(registries: &Registries, table: Table) -> Table {
    let mut table = table;
    if let Some(Value::Array(_)) = table.get("methods")
        && let Some(list) = table.remove("methods")
    {
        table.entry("compare").or_insert(list);
    }
    for name in registries.methods.names() {
        if let Some(own @ Value::Table(_)) = table.remove(&name.replace('-', "_")) {
            let methods = Table::from_iter([(name.to_string(), own)]);
            let methods = Table::from_iter([("methods".to_string(), Value::Table(methods))]);
            merge(&mut table, methods);
        }
    }
    if let Some(Value::Table(methods)) = table.get_mut("methods") {
        for (_, settings) in methods.iter_mut() {
            if let Value::Table(settings) = settings {
                complete_split(settings);
            }
        }
    }
    if let Some(Value::Table(orders)) = table.get_mut("by_order") {
        for (_, changes) in orders.iter_mut() {
            if let Value::Table(own) = changes {
                *own = translated(registries, std::mem::take(own));
            }
        }
    }
    table
}

/// Writes out what complete settings of a split, or of one that a method joins, left out in earlier versions: an absent key now
/// takes the default of the run.
fn complete_split(settings: &mut Table) {
    for (_, joined) in settings.iter_mut() {
        if let Value::Table(joined) = joined {
            complete_split(joined);
        }
    }
    let always_written = ["targets", "split", "form", "others", "decay"];
    if always_written.iter().all(|key| settings.contains_key(*key)) {
        write_absent(settings);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use osft::NO_BOUND;

    use super::*;
    use crate::settings::{Overrides, RunConfig};

    #[test]
    fn complete_settings_from_the_time_before_the_bound_have_none() {
        let registries = Registries::builtin();
        let overrides = Overrides::default();
        let default = RunConfig::resolve(&registries, "trace", false, &overrides).unwrap();
        let default = Table::try_from(&default).unwrap();
        let methods = |table: &Table| table["methods"].as_table().unwrap().clone();
        let mut saved = methods(&default);
        saved.retain(|name, _| name.starts_with("osft"));
        let mut own = saved["osft"].as_table().unwrap().clone();
        own.remove("max_output_change");
        saved.insert("osft".to_string(), Value::Table(own.clone()));
        saved.insert(
            "osft-lwf".to_string(),
            Value::Table(Table::from_iter([("osft".to_string(), Value::Table(own))])),
        );
        let file = Table::from_iter([("methods".to_string(), Value::Table(saved))]);
        let mut over = default.clone();
        merge(&mut over, translated(&registries, file));
        let none = RunConfig::resolve_over(&registries, over, &overrides).unwrap();
        for key in ["methods.osft", "methods.osft-lwf.osft"] {
            let bound = none.setting(&format!("{key}.max_output_change")).unwrap();
            assert_eq!(bound, Some(Value::from(NO_BOUND)), "{key}");
        }
        // A file with a few settings leaves the bound of the defaults.
        let file = toml::from_str("[methods.osft]\nform = 'weight'").unwrap();
        let mut over = default;
        merge(&mut over, translated(&registries, file));
        let bound = RunConfig::resolve_over(&registries, over, &overrides).unwrap();
        let bound = bound.setting("methods.osft.max_output_change").unwrap();
        assert_eq!(bound, Some(Value::from(0.015)));
    }
}
