//! Handles Ctrl-C: the run is saved before it stops.

use std::io::stdout;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use anyhow::{Context, Result};
use continual::ContinualError;
use crossterm::event::DisableMouseCapture;
use crossterm::terminal::{LeaveAlternateScreen, disable_raw_mode};
use tempfile::TempDir;

static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Whether something is drawn on the terminal, which a line would disturb.
static DRAWN_OVER: AtomicBool = AtomicBool::new(false);

/// A process can have one handler only, however often it runs something.
static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Number of things that save themselves before they stop.
static STOPPING_LATER: AtomicUsize = AtomicUsize::new(0);

/// Unfinished folders, which nothing could go on from.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Exit code after Ctrl-C, by the convention of shells.
pub const EXIT_CODE: u8 = 130;

/// Something that saves itself before it stops; see [`stops_later`].
#[derive(Debug)]
#[must_use]
pub struct StopsLater(());

impl Drop for StopsLater {
    fn drop(&mut self) {
        STOPPING_LATER.fetch_sub(1, Ordering::SeqCst);
    }
}

/// As long as what is returned exists, Ctrl-C or a request to terminate asks the run to save itself and stop; a second one
/// ends the program at once. Without it, the first one does.
///
/// # Errors
///
/// If the handler cannot be installed.
pub fn stops_later() -> Result<StopsLater> {
    install()?;
    STOPPING_LATER.fetch_add(1, Ordering::SeqCst);
    Ok(StopsLater(()))
}

/// A folder of its own for what is being written, removed with everything in it when this is dropped, and also if
/// Ctrl-C ends the program: a program that is ended this way drops nothing.
#[derive(Debug)]
pub struct UnfinishedFolder(TempDir);

impl UnfinishedFolder {
    /// Creates one in `parent`.
    ///
    /// # Errors
    ///
    /// If it cannot be created, or the handler of Ctrl-C cannot be installed.
    pub fn create_in(parent: &Path) -> Result<Self> {
        install()?;
        let folder = tempfile::Builder::new()
            .prefix(".writing-")
            .tempdir_in(parent)
            .with_context(|| format!("cannot write in {}", parent.display()))?;
        if let Ok(mut unfinished) = UNFINISHED.lock() {
            unfinished.push(folder.path().to_path_buf());
        }
        Ok(Self(folder))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for UnfinishedFolder {
    fn drop(&mut self) {
        if let Ok(mut unfinished) = UNFINISHED.lock() {
            unfinished.retain(|folder| folder != self.0.path());
        }
    }
}

fn remove_unfinished() {
    let Ok(unfinished) = UNFINISHED.lock() else {
        return;
    };
    for folder in unfinished.iter() {
        // Files may appear in it until the program ends: what is being written creates the next one.
        for _ in 0..8 {
            if std::fs::remove_dir_all(folder).is_ok() {
                break;
            }
        }
    }
}

fn install() -> Result<()> {
    if INSTALLED.swap(true, Ordering::SeqCst) {
        return Ok(());
    }
    ctrlc::set_handler(|| {
        let at_once = STOPPING_LATER.load(Ordering::SeqCst) == 0;
        if REQUESTED.swap(true, Ordering::SeqCst) || at_once {
            if DRAWN_OVER.load(Ordering::SeqCst) {
                restore_terminal();
            }
            remove_unfinished();
            std::process::exit(i32::from(EXIT_CODE));
        }
        if !DRAWN_OVER.load(Ordering::SeqCst) {
            eprintln!(
                "\nstopping after this step, once what can be continued is saved; again to stop at once"
            );
        }
    })
    .context("cannot handle Ctrl-C")
}

/// Asks the run to save itself and stop.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Says whether something is drawn on the terminal: then a request to stop prints nothing.
pub fn set_drawn_over(drawn_over: bool) {
    DRAWN_OVER.store(drawn_over, Ordering::SeqCst);
}

/// Gives the terminal back as it was, for a process that ends while something is drawn.
fn restore_terminal() {
    let _ = disable_raw_mode();
    let _ = crossterm::execute!(stdout(), DisableMouseCapture, LeaveAlternateScreen);
}

/// Whether the run should stop.
pub fn requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}

/// Whether an error means that the run was interrupted.
pub fn is_interruption(error: &anyhow::Error) -> bool {
    let mut causes = error.chain();
    causes.any(|cause| matches!(cause.downcast_ref(), Some(ContinualError::Interrupted)))
}

/// The exit status of a program whose command ended with `result`; prints its error in one line.
pub fn exit_code(result: Result<()>) -> ExitCode {
    match result.and_then(|()| report::out::finish()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_interruption(&error) => {
            eprintln!("{error:#}");
            ExitCode::from(EXIT_CODE)
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_folders_are_removed_and_finished_ones_are_not() {
        let parent = tempfile::tempdir().unwrap();
        let [unfinished, finished] = [0, 1].map(|_| {
            let folder = UnfinishedFolder::create_in(parent.path()).unwrap();
            std::fs::create_dir_all(folder.path().join("inner")).unwrap();
            folder
        });
        // What was moved away under another name is none of them.
        let kept = parent.path().join("kept");
        std::fs::rename(finished.path().join("inner"), &kept).unwrap();
        let folders = [&unfinished, &finished].map(|folder| folder.path().to_path_buf());
        drop(finished);
        std::fs::create_dir(&folders[1]).unwrap();
        remove_unfinished();
        assert_eq!(folders.map(|folder| folder.is_dir()), [false, true]);
        assert!(kept.is_dir());
        drop(unfinished);
    }
}
