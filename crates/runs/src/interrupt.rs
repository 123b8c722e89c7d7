//! Ctrl-C: what runs is saved first.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use continual::ContinualError;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// A process has one handler, however often it runs something.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Exit code of a program that Ctrl-C ended, as shells count it.
pub const EXIT_CODE: u8 = 130;

/// From now on Ctrl-C (or a request to terminate) asks the run to save itself and stop; a second
/// one ends the program at once.
///
/// # Errors
///
/// If the signal cannot be handled.
pub fn install() -> Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        if REQUESTED.swap(true, Ordering::SeqCst) {
            std::process::exit(i32::from(EXIT_CODE));
        }
        eprintln!("\nstopping after this step, once it is saved; again to stop at once");
    })
    .context("cannot handle Ctrl-C")
}

/// Whether the run is to stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Whether an error says that the run was stopped.
pub fn is_interruption(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| matches!(cause.downcast_ref(), Some(ContinualError::Interrupted)))
}
