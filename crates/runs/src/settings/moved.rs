//! Settings of earlier versions that stand in another place now.

use anyhow::{Result, bail};
use toml::{Table, Value};

use crate::registries::Registries;

/// Checks that settings stand where they belong.
///
/// # Errors
///
/// A setting that has moved, with its place.
pub(super) fn check(registries: &Registries, table: &Table) -> Result<()> {
    if let Some(Value::Array(_)) = table.get("methods") {
        bail!(
            "methods: the methods to compare are `compare = [\"NAME\", …]`; under `methods.NAME` stand the \
             settings of one"
        );
    }
    for name in registries.methods.names() {
        let earlier = name.replace('-', "_");
        if table.contains_key(&earlier) {
            bail!("{earlier}: the settings of a method stand under `methods.{name}`");
        }
    }
    Ok(())
}
