//! What is printed, where nobody may read any more: `experiments list | head -1`.
//!
//! The macros of the standard library panic there. To end the program quietly instead, by a signal or in a
//! hook for panics, would lose a run of hours whose first line was all that someone wanted to see; and a
//! hook would have to tell that panic from real ones by its words. So the macros here take the place of
//! those of the standard library, under their names, in every crate that prints: nothing that is printed later
//! can forget about them. What cannot be printed is ignored, and everything else goes on as usual.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use anyhow::{Result, anyhow};

/// Why something could not be printed though somebody reads.
static FAILURE: OnceLock<io::Error> = OnceLock::new();

/// Prints to standard output, as the macro of the standard library of this name, but never panics.
#[macro_export]
macro_rules! print {
    ($($part:tt)*) => { $crate::out::print(format_args!($($part)*)) };
}

/// Prints a line to standard output, as the macro of the standard library of this name, but never panics.
#[macro_export]
macro_rules! println {
    () => { $crate::out::print(format_args!("\n")) };
    ($($part:tt)*) => { $crate::out::print(format_args!("{}\n", format_args!($($part)*))) };
}

/// Prints a line to standard error, as the macro of the standard library of this name, but never panics.
#[macro_export]
macro_rules! eprintln {
    ($($part:tt)*) => { $crate::out::complain(format_args!("{}\n", format_args!($($part)*))) };
}

/// Prints to standard output.
pub fn print(text: Arguments<'_>) {
    keep_failure(io::stdout().lock().write_fmt(text));
}

/// Prints to standard error. Where that fails nothing is left to say it on.
pub fn complain(text: Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Prints what is left.
///
/// # Errors
///
/// If anything could not be printed for another reason than that nobody reads, such as a full disk.
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
        // The first one stands for all.
        let _ = FAILURE.set(error);
    }
}
