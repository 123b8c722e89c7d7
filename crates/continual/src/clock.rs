//! Where the time of a task goes.

use std::cell::Cell;
use std::time::Instant;

use burn::module::Module;
use serde::{Deserialize, Serialize};

/// What a method costs, in seconds of wall-clock time.
///
/// Scoring answers, measuring leaks and saving checkpoints are not in it: they are not the
/// method's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seconds {
    /// Optimizer steps, and all else that is in neither of the others: the loss on validation rows,
    /// attaching, merging, rounding.
    pub training: f64,
    /// Decomposing weights, or finding their split.
    pub split: f64,
    /// Running the model over data that is to be kept.
    pub calibration: f64,
}

impl Seconds {
    /// All of it.
    pub fn total(self) -> f64 {
        self.training + self.split + self.calibration
    }

    /// What two tasks cost together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            training: self.training + other.training,
            split: self.split + other.split,
            calibration: self.calibration + other.calibration,
        }
    }
}

/// What the time of a task can go to, beside training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedPart {
    /// Decomposing weights, or finding their split.
    Split,
    /// Running the model over data that is to be kept.
    Calibration,
    /// What is no cost of the method: measuring what it did, saving the run.
    Uncounted,
}

/// Time spent on a task so far, in seconds; what a checkpoint keeps of a clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spent {
    elapsed_seconds: f64,
    split_seconds: f64,
    calibration_seconds: f64,
    uncounted_seconds: f64,
}

/// Runs while a task is learned; a method says what is split, calibration, or not to be counted, and
/// the rest is training.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    spent: Cell<Spent>,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self::resume(Spent::default())
    }

    /// A clock that goes on from what an earlier process spent.
    pub(crate) fn resume(spent: Spent) -> Self {
        Self {
            start: Instant::now(),
            spent: Cell::new(spent),
        }
    }

    /// Does some work and counts its time as one part. Parts must not lie inside each other.
    pub fn time<T>(&self, part: TimedPart, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let done = work();
        let seconds = start.elapsed().as_secs_f64();
        let mut spent = self.spent.get();
        match part {
            TimedPart::Split => spent.split_seconds += seconds,
            TimedPart::Calibration => spent.calibration_seconds += seconds,
            TimedPart::Uncounted => spent.uncounted_seconds += seconds,
        }
        self.spent.set(spent);
        done
    }

    /// Everything so far.
    pub(crate) fn spent(&self) -> Spent {
        let spent = self.spent.get();
        Spent {
            elapsed_seconds: spent.elapsed_seconds + self.start.elapsed().as_secs_f64(),
            ..spent
        }
    }

    /// What the task has cost so far.
    pub fn seconds(&self) -> Seconds {
        let spent = self.spent();
        let apart = spent.split_seconds + spent.calibration_seconds + spent.uncounted_seconds;
        Seconds {
            training: (spent.elapsed_seconds - apart).max(0.0),
            split: spent.split_seconds,
            calibration: spent.calibration_seconds,
        }
    }
}

/// Waits until a model's devices have done what they were given: on a GPU, operations are enqueued.
pub(crate) fn synchronize<M: Module>(model: &M) {
    for device in model.devices() {
        // A device that failed shows it at the next operation.
        let _ = device.sync();
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_part_is_counted_once_and_across_processes() {
        let spent = Spent {
            elapsed_seconds: 100.0,
            split_seconds: 20.0,
            calibration_seconds: 30.0,
            uncounted_seconds: 40.0,
        };
        let clock = Clock::resume(spent);
        let pause = Duration::from_millis(20);
        let found = clock.time(TimedPart::Split, || {
            sleep(pause);
            7
        });
        assert_eq!(found, 7);
        clock.time(TimedPart::Calibration, || sleep(pause));
        clock.time(TimedPart::Uncounted, || sleep(pause));
        sleep(pause);
        // A pause takes no less than asked for; a busy machine makes it longer, hardly by seconds.
        let Seconds {
            training,
            split,
            calibration,
        } = clock.seconds();
        for (found, least) in [(training, 10.02), (split, 20.02), (calibration, 30.02)] {
            assert!((least..least + 10.0).contains(&found), "{found} {least}");
        }
        let total = clock.seconds().total() + 40.02;
        assert!(total <= clock.spent().elapsed_seconds + 1e-9, "{total}");
    }
}
