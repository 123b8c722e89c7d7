//! A progress line with the time that is left.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Progress of a known number of steps; silent where standard error is not a terminal.
pub struct Progress(ProgressBar);

impl Progress {
    /// Progress over `steps` steps.
    pub fn new(steps: u64) -> Self {
        let bar = ProgressBar::new(steps);
        let template = "{elapsed_precise} [{bar:30}] {pos}/{len} · {eta_precise} left · {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self(bar)
    }

    /// One step is done.
    pub fn step(&self, message: &str) {
        self.0.inc(1);
        self.0.set_message(message.to_string());
    }

    /// A line above the progress.
    pub fn line(&self, text: &str) {
        // `println` of a hidden bar is lost; such a line is not.
        if self.0.is_hidden() {
            eprintln!("{text}");
        } else {
            self.0.println(text);
        }
    }

    /// Removes the progress line.
    pub fn finish(&self) {
        self.0.finish_and_clear();
    }
}
