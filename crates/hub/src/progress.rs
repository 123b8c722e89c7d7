//! How far a fetch has come, for a program that draws it.

use std::ops::ControlFlow;

/// Told how a fetch goes on. The crate itself draws and prints nothing.
pub trait Progress {
    /// Bytes have come, or a file has begun. Called at least once for each file that is fetched.
    ///
    /// `ControlFlow::Break` ends the fetch with [`HubError::Stopped`](crate::HubError::Stopped); what has come
    /// is kept for the next one.
    fn transferred(&mut self, transfer: &Transfer<'_>) -> ControlFlow<()>;

    /// Another process fetches the file; called about ten times a second until it has ended.
    ///
    /// `ControlFlow::Break` ends the fetch.
    fn waiting(&mut self, file: &str) -> ControlFlow<()> {
        let _ = file;
        ControlFlow::Continue(())
    }
}

/// Draws nothing and never stops.
impl Progress for () {
    fn transferred(&mut self, _: &Transfer<'_>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

/// How far a fetch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer<'a> {
    /// The file that is fetched now.
    pub file: &'a str,
    /// Bytes of the file that are there, from this fetch or an earlier one.
    pub file_bytes: u64,
    /// Bytes of the whole file.
    pub file_total: u64,
    /// Bytes of all files that are there, from this fetch or an earlier one.
    pub bytes: u64,
    /// Bytes of all files.
    pub total: u64,
    /// Bytes that came over the network in this fetch: with the time since its first call, the speed.
    pub received: u64,
}
