//! Command-line flags that are short for a method's settings.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use toml::Value;

type Read = Arc<dyn Fn(&str) -> Result<Value, String> + Send + Sync>;

/// A command-line flag that sets one setting of a method: `--share 0.5` for
/// `methods.osft.protected_share`.
#[derive(Clone)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// The placeholder for its value in `--help`.
    pub value_name: &'static str,
    /// One sentence for `--help`.
    pub help: String,
    /// The allowed values, each with a sentence; empty if there is no list of values.
    pub choices: Vec<(&'static str, &'static str)>,
    /// The setting that it sets.
    pub setting: &'static str,
    read: Read,
}

impl Flag {
    /// A flag with a free value; `read` turns its text into the setting's value.
    pub fn new(
        name: &'static str,
        value_name: &'static str,
        setting: &'static str,
        help: impl Into<String>,
        read: impl Fn(&str) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            value_name,
            help: help.into(),
            choices: Vec::new(),
            setting,
            read: Arc::new(read),
        }
    }

    /// A flag with a list of allowed values. The settings write `_` for the `-` in a value.
    pub fn choice(
        name: &'static str,
        value_name: &'static str,
        setting: &'static str,
        help: impl Into<String>,
        choices: Vec<(&'static str, &'static str)>,
    ) -> Self {
        let read = |text: &str| Ok(Value::from(text.replace('-', "_")));
        Self {
            choices,
            ..Self::new(name, value_name, setting, help, read)
        }
    }

    /// Turns the flag's text into the value of its setting.
    ///
    /// # Errors
    ///
    /// The expected format, in words.
    pub fn read(&self, text: &str) -> Result<Value, String> {
        (self.read)(text)
    }
}

impl Debug for Flag {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("Flag");
        shown.field("name", &self.name);
        shown
            .field("setting", &self.setting)
            .finish_non_exhaustive()
    }
}
