//! Short forms of a method's settings on a command line.

use std::fmt::{Debug, Formatter};
use std::sync::Arc;

use toml::Value;

type Read = Arc<dyn Fn(&str) -> Result<Value, String> + Send + Sync>;

/// A setting of a method that has a flag of its own: `--share 0.5` for `methods.osft.protected_share`.
#[derive(Clone)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What a value is called in `--help`.
    pub value_name: &'static str,
    /// One sentence for `--help`.
    pub help: String,
    /// The values there are, each with a sentence; empty where they are not a list.
    pub choices: Vec<(&'static str, &'static str)>,
    /// The setting of the method.
    pub setting: &'static str,
    read: Read,
}

impl Flag {
    /// A flag whose text `read` makes a value of the setting.
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

    /// A flag with a list of values, which stand in the settings with `_` for `-`.
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

    /// The value of the setting that a text stands for.
    ///
    /// # Errors
    ///
    /// What is expected in its place, in words.
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
