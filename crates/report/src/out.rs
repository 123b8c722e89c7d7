//! Printing that survives a closed output, as in `experiments list | head -1`.
//!
//! The macros of the standard library panic there. Ending the program quietly by a signal or a
//! panic hook would lose a run of hours because its reader wanted only the first line; a panic hook
//! would also have to recognise this panic by its message. So the macros here replace those of the
//! standard library under the same names, in every crate that prints. If nobody reads the output,
//! it is dropped and the program continues.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use anyhow::{Result, anyhow};

/// The first error of printing, except that nobody reads.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Prints to standard output like the standard macro, but never panics.
#[macro_export]
macro_rules! print {
    ($($part:tt)*) => { $crate::out::print(format_args!($($part)*)) };
}

/// Prints a line to standard output like the standard macro, but never panics.
#[macro_export]
macro_rules! println {
    () => { $crate::out::print(format_args!("\n")) };
    ($($part:tt)*) => { $crate::out::print(format_args!("{}\n", format_args!($($part)*))) };
}

/// Prints a line to standard error like the standard macro, but never panics.
#[macro_export]
macro_rules! eprintln {
    ($($part:tt)*) => { $crate::out::complain(format_args!("{}\n", format_args!($($part)*))) };
}

/// Prints to standard output.
pub fn print(text: Arguments<'_>) {
    keep_failure(io::stdout().lock().write_fmt(text));
}

/// Prints to standard error. If that fails, the error cannot be reported anywhere.
pub fn complain(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Flushes the output.
///
/// # Errors
///
/// If anything could not be printed, except because nobody reads: for example, on a full disk.
pub fn finish() -> Result<()> {
    keep_failure(io::stdout().lock().flush());
    match FAILURE.get() {
        Some(error) => Err(anyhow!("cannot print: {error}")),
        None => Ok(()),
    }
}

fn keep_failure(printed: io::Result<()>) {
    if let Err(error) = printed
        && error.kind() != ErrorKind::BrokenPipe
    {
        // Keep the first error only.
        let _ = FAILURE.set(error);
    }
}
