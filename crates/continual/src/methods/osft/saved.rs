//! Reading a saved state of the method.

use ::osft::Calibration;

use crate::checkpoint::Checkpoint;
use crate::error::ContinualError;

/// Number of sources that were added to the base's.
pub(super) fn later_sources(calibration: &Calibration, base: &Calibration) -> usize {
    let (all, base) = (calibration.sources().len(), base.sources().len());
    all.saturating_sub(base)
}

/// A saved calibration; an error names its file.
pub(super) fn calibration_in(
    saved: &Checkpoint,
    name: &str,
) -> Result<Calibration, ContinualError> {
    Calibration::from_bytes(&saved.read(name)?).map_err(|error| saved.broken(name, &error))
}
