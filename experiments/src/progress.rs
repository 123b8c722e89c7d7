//! A progress line with the time that is left.

use std::cell::Cell;
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

/// How often progress is printed where there is no terminal to draw it on.
const INTERVAL: Duration = Duration::from_secs(30);

/// Progress of a known number of steps: a bar on a terminal, else a line now and then.
pub struct Progress {
    bar: ProgressBar,
    printed: Cell<Instant>,
}

impl Progress {
    /// Progress over `steps` steps.
    pub fn new(steps: u64) -> Self {
        let bar = ProgressBar::new(steps);
        let template = "{elapsed_precise} [{bar:30}] {percent} % · {eta_precise} left · {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        bar.enable_steady_tick(Duration::from_millis(500));
        Self {
            bar,
            printed: Cell::new(Instant::now()),
        }
    }

    /// Some steps are done.
    pub fn advance(&self, steps: u64, message: &str) {
        self.bar.inc(steps);
        self.bar.set_message(message.to_string());
        if self.bar.is_hidden() && self.printed.get().elapsed() >= INTERVAL {
            self.printed.set(Instant::now());
            let done = self.bar.position() as f64 / self.bar.length().unwrap_or(1).max(1) as f64;
            // A hidden bar does not estimate, so the mean speed so far has to do.
            let elapsed = self.bar.elapsed();
            let left = elapsed.mul_f64((1.0 - done).max(0.0) / done.max(1e-6));
            eprintln!(
                "{:3.0} % · {} left · {message}",
                100.0 * done,
                HumanDuration(left)
            );
        }
    }

    /// A line above the progress.
    pub fn line(&self, text: &str) {
        // `println` of a hidden bar is lost; such a line is not.
        if self.bar.is_hidden() {
            eprintln!("{text}");
        } else {
            self.bar.println(text);
        }
    }

    /// Removes the progress line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
