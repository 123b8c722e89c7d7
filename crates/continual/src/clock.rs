//! Measures where the time of a task goes.

use std::cell::Cell;
use std::time::Instant;

use burn::module::Module;
use serde::{Deserialize, Serialize};

/// The cost of a method, in seconds of wall-clock time.
///
/// It excludes scoring answers, measuring leaks and saving checkpoints, because they are not part
/// of the method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Optimizer steps and everything that the other fields do not cover: validation loss,
    /// attaching, merging, rounding.
    pub training: f64,
    /// Decomposing weights or choosing the split.
    pub split: f64,
    /// Running the model over rows that stand for what is to be retained.
    pub calibration: f64,
}

impl Seconds {
    /// The sum of all parts.
    pub fn total(self) -> f64 {
        self.training + self.split + self.calibration
    }

    /// The sum of the costs of two tasks.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            training: self.training + other.training,
            split: self.split + other.split,
            calibration: self.calibration + other.calibration,
        }
    }
}

/// A part of a task's time that is not training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedPart {
    /// Decomposing weights or choosing the split.
    Split,
    /// Running the model over rows that stand for what is to be retained.
    Calibration,
    /// No cost of the method: measuring its effect, saving the run.
    Uncounted,
}

/// Time spent on a task so far, in seconds; a checkpoint saves it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    elapsed_seconds: f64,
    split_seconds: f64,
    calibration_seconds: f64,
    uncounted_seconds: f64,
}

/// Runs while a task is learned. A method marks the time of its split, of calibration and of
/// uncounted work; the rest is training.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    spent: Cell<Spent>,
}

impl Clock {
    /// Starts a clock at zero.
    pub fn start() -> Self {
        Self::resume(Spent::default())
    }

    /// Resumes a clock with the time that earlier processes spent.
    pub(crate) fn resume(spent: Spent) -> Self {
        Self {
            start: Instant::now(),
            spent: Cell::new(spent),
        }
    }

    /// Runs `work` and counts its time as `part`. Parts must not be nested.
    pub fn time<T>(&self, part: TimedPart, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        let seconds = start.elapsed().as_secs_f64();
        let mut spent = self.spent.get();
        match part {
            TimedPart::Split => spent.split_seconds += seconds,
            TimedPart::Calibration => spent.calibration_seconds += seconds,
            TimedPart::Uncounted => spent.uncounted_seconds += seconds,
        }
        self.spent.set(spent);
        result
    }

    /// The time spent so far, the running stretch included.
    pub(crate) fn spent(&self) -> Spent {
        let spent = self.spent.get();
        Spent {
            elapsed_seconds: spent.elapsed_seconds + self.start.elapsed().as_secs_f64(),
            ..spent
        }
    }

    /// The cost of the task so far.
    pub fn seconds(&self) -> Seconds {
        let spent = self.spent();
        let not_training =
            spent.split_seconds + spent.calibration_seconds + spent.uncounted_seconds;
        Seconds {
            training: (spent.elapsed_seconds - not_training).max(0.0),
            split: spent.split_seconds,
            calibration: spent.calibration_seconds,
        }
    }
}

/// Waits until a model's devices have finished all operations: a GPU only enqueues them.
pub(crate) fn synchronize<M: Module>(model: &M) {
    for device in model.devices() {
        // A failed device reports its error at the next operation.
        let _ = device.sync();
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_part_is_counted_once_and_resumes_across_processes() {
        let spent = Spent {
            elapsed_seconds: 100.0,
            split_seconds: 20.0,
            calibration_seconds: 30.0,
            uncounted_seconds: 40.0,
        };
        let clock = Clock::resume(spent);
        let pause = Duration::from_millis(20);
        let returned = clock.time(TimedPart::Split, || {
            sleep(pause);
            7
        });
        assert_eq!(returned, 7);
        clock.time(TimedPart::Calibration, || sleep(pause));
        clock.time(TimedPart::Uncounted, || sleep(pause));
        sleep(pause);
        // `sleep` takes at least the given time; a busy machine makes it longer, but hardly by
        // seconds.
        let Seconds {
            training,
            split,
            calibration,
        } = clock.seconds();
        for (measured, at_least) in [(training, 10.02), (split, 20.02), (calibration, 30.02)] {
            assert!(
                (at_least..at_least + 10.0).contains(&measured),
                "{measured} {at_least}"
            );
        }
        let total = clock.seconds().total() + 40.02;
        assert!(total <= clock.spent().elapsed_seconds + 1e-9, "{total}");
    }
}
