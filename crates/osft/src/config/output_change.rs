//! Reading the bound on the outputs' change.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// The value of `max_output_change` in a file that says that there is no bound: settings over defaults with a bound can
/// only take it away by a value.
pub const NO_BOUND: &str = "none";

/// Reads a number, or [`NO_BOUND`].
pub(super) fn number_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    from.deserialize_any(NumberOrNone)
}

struct NumberOrNone;

impl<'de> Visitor<'de> for NumberOrNone {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a number above 0, or {NO_BOUND:?} for no bound")
    }

    fn visit_f64<E: Error>(self, share: f64) -> Result<Self::Value, E> {
        Ok(Some(share))
    }

    fn visit_i64<E: Error>(self, share: i64) -> Result<Self::Value, E> {
        Ok(Some(share as f64))
    }

    fn visit_u64<E: Error>(self, share: u64) -> Result<Self::Value, E> {
        Ok(Some(share as f64))
    }

    fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
        match word {
            NO_BOUND => Ok(None),
            _ => Err(E::invalid_value(serde::de::Unexpected::Str(word), &self)),
        }
    }

    // What JSON has for a number that is not there.
    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Self::Value, D::Error> {
        number_or_none(inner)
    }
}
