//! Saving and loading splits and calibrations, and the cache of splits on disk.

mod archive;
mod cache;
mod calibration;
mod split;

pub(crate) use archive::{Format, Stored, Tensors, pack, unpack};
pub(crate) use split::Layout;
