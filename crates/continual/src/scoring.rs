//! Which tasks are learned from where, and which scores are measured.

use serde::{Deserialize, Serialize};

/// How a method goes through the tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One task after another, each from the weights that the one before left.
    #[default]
    Sequential,
    /// Every task from the base model: as many models as tasks, each scored on its own task, so
    /// nothing is forgotten and nothing shared.
    Independent,
    /// All tasks at once.
    Joint,
}

/// Which scores are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// What AA, BWT, FWT and forgetting need: all tasks before the first one, and after each task
    /// all learned ones and the next.
    #[default]
    Needed,
    /// Only what AA and BWT need: each task right after it is learned, and all after the last.
    Final,
    /// Every task after every task.
    Full,
}

impl Scoring {
    /// Whether task `task` (from 0) is scored after `learned` of `tasks` tasks.
    ///
    /// What the protocol leaves without a meaning is not measured: of an independent model only
    /// its own task, and of a joint one nothing before all tasks are learned.
    pub fn measures(self, protocol: Protocol, learned: usize, task: usize, tasks: usize) -> bool {
        if learned == 0 {
            return self != Self::Final;
        }
        match protocol {
            Protocol::Independent => task + 1 == learned,
            Protocol::Joint => learned == tasks,
            Protocol::Sequential => match self {
                Self::Needed => task <= learned,
                Self::Final => learned == tasks || task + 1 == learned,
                Self::Full => true,
            },
        }
    }
}
