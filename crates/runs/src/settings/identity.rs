//! What a result of a run is known by.

use anyhow::Result;
use continual::method::CalibrationUse;
use report::record::{Contents, Identity};
use toml::Value;

use super::RunConfig;

impl RunConfig {
    /// The identity of one method of a run: `self` has the settings of all orders, `ordered` those of the order
    /// that is run.
    ///
    /// # Errors
    ///
    /// If the settings cannot be written down.
    pub fn identity(&self, ordered: &Self, method: &str, contents: &Contents) -> Result<Identity> {
        let mut contents = contents.clone();
        if self.calibration_use(method) == CalibrationUse::Never {
            contents.calibration.clear();
        }
        let mut every_order = self.key_settings(method)?;
        // What an order changes belongs to the whole; what it is changed to does not.
        if !self.by_order.is_empty() {
            let by_order = Value::try_from(&self.by_order)?;
            every_order.insert("by_order".to_string(), by_order);
        }
        Identity::new(ordered.key_settings(method)?, &every_order, contents)
    }
}
