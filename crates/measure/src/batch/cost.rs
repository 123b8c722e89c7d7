//! What the runs of a batch cost: counted before, timed by those that have ended.

use std::fmt;

use anyhow::Result;

use super::{Batch, Ended, PlannedRun};

/// What is done and what is to do.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cost {
    /// Number of runs.
    pub runs: usize,
    /// Runs that have ended.
    pub ended: usize,
    /// Rows to train on and questions to answer, of the runs that are to do.
    pub rows: u64,
    /// The questions among them that are scored by the likelihood of labels.
    pub likelihoods: u64,
    /// Runs at the same time.
    pub at_once: usize,
    /// Rows and questions of the ended runs whose time is known, and their seconds.
    timed: (u64, f64),
}

impl Cost {
    /// The cost of runs of which some have ended.
    ///
    /// # Errors
    ///
    /// If there is no such method.
    pub fn of(
        batch: &Batch,
        runs: &[PlannedRun],
        ended: &[Option<Ended>],
        at_once: usize,
    ) -> Result<Self> {
        let mut cost = Self {
            runs: runs.len(),
            at_once,
            ..Self::default()
        };
        for (run, ended) in runs.iter().zip(ended) {
            let counted = batch.work(run)?;
            let work = counted.total() as u64;
            match ended {
                None => {
                    cost.rows += work;
                    cost.likelihoods += counted.likelihoods() as u64;
                }
                Some(ended) => {
                    cost.ended += 1;
                    let seconds = match ended {
                        Ended::Scored(result) => result.wall_seconds,
                        // How much of its work it did is not known.
                        Ended::Diverged(_) => None,
                    };
                    if let Some(seconds) = seconds {
                        cost.timed.0 += work;
                        cost.timed.1 += seconds;
                    }
                }
            }
        }
        Ok(cost)
    }

    /// Hours that are left, by the runs that have ended; `None` if none of them was timed.
    pub fn hours_left(&self) -> Option<f64> {
        let (rows, seconds) = self.timed;
        if rows == 0 {
            return None;
        }
        // The last runs are fewer than that.
        let at_once = self.at_once.min(self.runs - self.ended).max(1) as f64;
        Some(self.rows as f64 * seconds / rows as f64 / at_once / 3600.0)
    }

    /// Counts a run that has ended, with its rows and questions, those of them that were scored by likelihood, and its
    /// seconds; `None` if it diverged, after an unknown part of its work.
    pub fn count(&mut self, work: u64, likelihoods: u64, seconds: Option<f64>) {
        self.ended += 1;
        self.rows = self.rows.saturating_sub(work);
        self.likelihoods = self.likelihoods.saturating_sub(likelihoods);
        if let Some(seconds) = seconds {
            self.timed.0 += work;
            self.timed.1 += seconds;
        }
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let left = self.runs - self.ended;
        write!(
            out,
            "{} runs: {} ended, {left} to do, {} at the same time",
            self.runs, self.ended, self.at_once
        )?;
        if left == 0 {
            return Ok(());
        }
        write!(
            out,
            "; {} rows to train on and questions to answer",
            self.rows
        )?;
        if self.likelihoods > 0 {
            write!(
                out,
                ", {} of them by the likelihood of labels",
                self.likelihoods
            )?;
        }
        write!(out, "; ")?;
        match self.hours_left() {
            Some(hours) => write!(
                out,
                "about {hours:.1} hours, as long as the ended runs took"
            ),
            None => write!(out, "how long is unknown until the first run ends"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_from_the_runs_that_have_ended() {
        let mut cost = Cost {
            runs: 3,
            ended: 0,
            rows: 3000,
            likelihoods: 900,
            at_once: 2,
            timed: (0, 0.0),
        };
        assert_eq!(cost.hours_left(), None);
        assert!(
            cost.to_string()
                .contains("unknown until the first run ends")
        );
        let text = cost.to_string();
        assert!(
            text.contains(
                "3000 rows to train on and questions to answer, 900 of them by the likelihood"
            ),
            "{text}"
        );
        cost.count(1000, 300, Some(7200.0));
        // 2000 rows at 7.2 s, two runs at a time: 2 hours.
        assert!((cost.hours_left().unwrap() - 2.0).abs() < 1e-12);
        let text = cost.to_string();
        assert!(text.contains("3 runs: 1 ended, 2 to do"), "{text}");
        assert!(text.contains("about 2.0 hours"), "{text}");
        assert!(
            text.contains("2000 rows to train on and questions to answer, 600"),
            "{text}"
        );
        // A run that diverged says nothing about the time of the others; the last one is alone.
        cost.count(1000, 300, None);
        assert!((cost.hours_left().unwrap() - 2.0).abs() < 1e-12);
        cost.likelihoods = 0;
        assert!(!cost.to_string().contains("likelihood"));
    }

    #[test]
    fn nothing_to_do_needs_no_estimate() {
        let cost = Cost {
            runs: 2,
            ended: 2,
            at_once: 1,
            ..Cost::default()
        };
        assert_eq!(
            cost.to_string(),
            "2 runs: 2 ended, 0 to do, 1 at the same time"
        );
    }
}
