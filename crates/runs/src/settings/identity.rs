//! The identity of a result.

use anyhow::Result;
use report::record::{Contents, Identity};
use toml::Value;

use super::RunConfig;

impl RunConfig {
    /// The identity of a method's results. `self` has the settings of all orders; `ordered` has
    /// those of the order to run.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written as TOML.
    pub fn identity(&self, ordered: &Self, method: &str, contents: &Contents) -> Result<Identity> {
        let mut contents = contents.clone();
        if !self.calibration_use(method).reads_base_rows() {
            contents.calibration.clear();
        }
        let mut every_order = self.key_settings(method)?;
        // That an order overrides settings is part of the whole; the overriding values are not.
        if !self.by_order.is_empty() {
            let by_order = Value::try_from(&self.by_order)?;
            every_order.insert("by_order".to_string(), by_order);
        }
        Identity::new(ordered.key_settings(method)?, &every_order, contents)
    }
}
