//! Settings of earlier versions that stand in another place now.

use toml::{Table, Value};

use super::merge;
use crate::registries::Registries;

/// Settings with everything where it belongs: `methods = [..]` was the list of methods to compare, and the
/// settings of a method stood under its name, with `_` for `-`, at the top.
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
    if let Some(Value::Table(orders)) = table.get_mut("by_order") {
        for (_, changes) in orders.iter_mut() {
            if let Value::Table(own) = changes {
                *own = translated(registries, std::mem::take(own));
            }
        }
    }
    table
}
