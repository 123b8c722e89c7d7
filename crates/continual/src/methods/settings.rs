//! Checks of settings that several methods have.

use std::fmt::Display;

use crate::error::ContinualError;
use crate::method::finite_in_f32;

/// Passes a setting in its range.
///
/// # Errors
///
/// [`ContinualError::InvalidSetting`].
pub(super) fn check(
    is_valid: bool,
    name: &'static str,
    found: impl Display,
    expected: &'static str,
) -> Result<(), ContinualError> {
    match is_valid {
        true => Ok(()),
        false => Err(ContinualError::InvalidSetting {
            name,
            found: found.to_string(),
            expected,
        }),
    }
}

/// Passes a factor of a term of the loss, which is used in f32.
///
/// # Errors
///
/// [`ContinualError::InvalidSetting`].
pub(super) fn check_strength(strength: f64) -> Result<(), ContinualError> {
    let is_valid = strength >= 0.0 && finite_in_f32(strength);
    check(is_valid, "strength", strength, "0 or above, and finite")
}

/// Passes the temperature of a distillation, which is used in f32.
///
/// # Errors
///
/// [`ContinualError::InvalidSetting`].
pub(super) fn check_temperature(temperature: f64) -> Result<(), ContinualError> {
    // Logarithms of probabilities of an f32 model reach a few hundred: far below 0.01, their quotient overflows.
    let is_valid = (0.01..=100.0).contains(&temperature);
    check(is_valid, "temperature", temperature, "from 0.01 to 100")
}
