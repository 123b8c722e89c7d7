//! A progress line with the remaining time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two progress lines, if there is no terminal to draw a bar on.
const INTERVAL: Duration = Duration::from_secs(30);

/// Progress over a given number of steps: a bar on a terminal, otherwise an occasional line. Several threads
/// may count.
pub struct Progress {
    bar: ProgressBar,
    printed: Mutex<Instant>,
    /// Steps that an earlier process completed.
    skipped: AtomicU64,
    /// Lines to print later, where something else has the terminal.
    held: Option<Mutex<Vec<String>>>,
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
        Self::counted_by(bar, None)
    }

    /// Progress that is only counted, because something else has the terminal; lines wait for
    /// [`release`](Self::release).
    pub fn held(steps: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::hidden());
        Self::counted_by(bar, Some(Mutex::default()))
    }

    fn counted_by(bar: ProgressBar, held: Option<Mutex<Vec<String>>>) -> Self {
        Self {
            bar,
            printed: Mutex::new(Instant::now()),
            skipped: AtomicU64::new(0),
            held,
        }
    }

    /// Number of steps done.
    pub fn done(&self) -> u64 {
        self.bar.position()
    }

    /// Number of all steps.
    pub fn total(&self) -> u64 {
        self.bar.length().unwrap_or(0)
    }

    /// Says how many steps there are, if that was not known at the start.
    pub fn set_total(&self, steps: u64) {
        self.bar.set_length(steps);
    }

    /// Counts steps that were done before; they do not enter the speed.
    pub fn skip(&self, steps: u64) {
        self.skipped.fetch_add(steps, Ordering::SeqCst);
        self.bar.inc(steps);
        self.bar.reset_eta();
    }

    /// Counts completed steps, and shows `message`.
    pub fn advance(&self, steps: u64, message: &str) {
        self.bar.inc(steps);
        self.bar.set_message(message.to_string());
        if self.held.is_none() && self.bar.is_hidden() && self.is_time_for_a_line() {
            let (at, all) = (self.done(), self.total().max(1));
            let done = at as f64 / all as f64;
            // A hidden bar gives no estimate, so estimate from the mean speed so far.
            let done_here = at
                .saturating_sub(self.skipped.load(Ordering::SeqCst))
                .max(1) as f64;
            let left = self
                .bar
                .elapsed()
                .mul_f64(all.saturating_sub(at) as f64 / done_here);
            eprintln!(
                "{:3.0} % · {} left · {message}",
                100.0 * done,
                HumanDuration(left)
            );
        }
    }

    /// Whether the last line was long enough ago; if so, the next one counts from now.
    fn is_time_for_a_line(&self) -> bool {
        let mut printed = locked(&self.printed);
        let is_time = printed.elapsed() >= INTERVAL;
        if is_time {
            *printed = Instant::now();
        }
        is_time
    }

    /// Prints a line above the progress, or keeps it until [`release`](Self::release).
    pub fn line(&self, text: &str) {
        match &self.held {
            Some(held) => locked(held).push(text.to_string()),
            // A hidden bar drops its `println`, so print directly.
            None if self.bar.is_hidden() => eprintln!("{text}"),
            None => self.bar.println(text),
        }
    }

    /// Prints the lines that were kept.
    pub fn release(&self) {
        let lines = self
            .held
            .as_ref()
            .map(|held| std::mem::take(&mut *locked(held)));
        for line in lines.into_iter().flatten() {
            eprintln!("{line}");
        }
    }

    /// Removes the progress line.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// What a mutex holds; a thread that panicked leaves nothing half done here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
