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
    /// Steps that an earlier process did.
    skipped: Cell<u64>,
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
            skipped: Cell::new(0),
        }
    }

    /// Some steps were done before: they say nothing of the speed.
    pub fn skip(&self, steps: u64) {
        self.skipped.set(self.skipped.get() + steps);
        self.bar.inc(steps);
        self.bar.reset_eta();
    }

    /// Some steps are done.
    pub fn advance(&self, steps: u64, message: &str) {
        self.bar.inc(steps);
        self.bar.set_message(message.to_string());
        if self.bar.is_hidden() && self.printed.get().elapsed() >= INTERVAL {
            self.printed.set(Instant::now());
            let (at, all) = (self.bar.position(), self.bar.length().unwrap_or(1).max(1));
            let done = at as f64 / all as f64;
            // A hidden bar does not estimate, so the mean speed so far has to do.
            let own = at.saturating_sub(self.skipped.get()).max(1) as f64;
            let left = self
                .bar
                .elapsed()
                .mul_f64(all.saturating_sub(at) as f64 / own);
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
