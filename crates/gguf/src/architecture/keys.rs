//! Metadata whose keys share a prefix, each of which must be understood.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::GgufError;
use crate::file::{Gguf, Value};

/// Settings of an architecture. Every one is taken once; what is left at the end was not understood.
pub(super) struct Keys<'a> {
    file: &'a Gguf,
    prefix: &'a str,
    left: BTreeMap<&'a str, &'a Value>,
}

impl<'a> Keys<'a> {
    /// The entries of a file whose keys are `prefix`, a dot, and a name.
    pub(super) fn of(file: &'a Gguf, prefix: &'a str) -> Self {
        let named = file.entries().filter_map(|(key, value)| {
            let name = key.strip_prefix(prefix)?.strip_prefix('.')?;
            Some((name, value))
        });
        Self {
            file,
            prefix,
            left: named.collect(),
        }
    }

    pub(super) fn file(&self) -> &'a Gguf {
        self.file
    }

    pub(super) fn path(&self) -> &'a Path {
        self.file.path()
    }

    /// Takes a whole number that is not negative.
    pub(super) fn count(&mut self, name: &str) -> Result<Option<u64>, GgufError> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(&Value::Unsigned(number)) => Ok(Some(number)),
            Some(&Value::Signed(number)) => match u64::try_from(number) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.error(name, format!("{number} is negative"))),
            },
            Some(other) => Err(self.expected(name, "a whole number", other)),
        }
    }

    /// Takes a whole number that must be there and above 0.
    pub(super) fn size(&mut self, name: &str) -> Result<u64, GgufError> {
        match self.count(name)? {
            Some(number @ 1..) => Ok(number),
            Some(0) => Err(self.error(name, "it is 0; it must be at least 1")),
            None => Err(self.error(name, "it is missing")),
        }
    }

    /// Takes a finite number. One of 32 bits becomes the shortest decimal number that stands for it: 1e-5 was
    /// written, not 9.99999974737875e-6.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, GgufError> {
        let number = match self.left.remove(name) {
            None => return Ok(None),
            Some(&Value::Float64(number)) => number,
            Some(&Value::Float32(number)) => shortest(number),
            Some(other) => return Err(self.expected(name, "a floating-point number", other)),
        };
        match number.is_finite() {
            true => Ok(Some(number)),
            false => Err(self.error(name, format!("{number} is not finite"))),
        }
    }

    /// Takes a text.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<&'a str>, GgufError> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(other) => Err(self.expected(name, "a text", other)),
        }
    }

    /// Takes a truth value.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, GgufError> {
        match self.left.remove(name) {
            None => Ok(None),
            Some(&Value::Bool(flag)) => Ok(Some(flag)),
            Some(other) => Err(self.expected(name, "a truth value", other)),
        }
    }

    /// Refuses settings that nobody took: they may ask for another computation.
    pub(super) fn finish(self) -> Result<(), GgufError> {
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => Err(self.error(
                name,
                "this setting is not known; without it, the model may compute something else",
            )),
        }
    }

    /// The error about one of the settings.
    pub(super) fn error(&self, name: &str, reason: impl Into<String>) -> GgufError {
        GgufError::metadata(self.path(), &format!("{}.{name}", self.prefix), reason)
    }

    fn expected(&self, name: &str, expected: &str, found: &Value) -> GgufError {
        self.error(name, format!("expected {expected}, found {}", found.kind()))
    }
}

/// The shortest decimal number that a number of 32 bits stands for.
pub(super) fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}
