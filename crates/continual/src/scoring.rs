//! In which order tasks are learned, and which scores are measured.

use serde::{Deserialize, Serialize};

/// How a method goes through the tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// One task after another, each from the weights after the previous one.
    #[default]
    Sequential,
    /// Every task from the base model: one model per task, each scored on its own task. The tasks
    /// forget nothing and share nothing.
    Independent,
    /// All tasks at once.
    Joint,
}

/// Whether the answers to tasks with fixed labels are also, or only, chosen by the likelihood of the labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LabelScores {
    /// All answers are generated.
    #[default]
    None,
    /// The generated answers fill the result matrix, the likeliest labels a second one beside it.
    Beside,
    /// The likeliest labels fill the result matrix; answers to tasks without labels are generated.
    Instead,
}

impl LabelScores {
    /// Whether all answers are generated.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// Which scores are measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scoring {
    /// The scores for AA, BWT, FWT and forgetting: all tasks before the first one; after each task,
    /// all learned tasks and the next one.
    #[default]
    Needed,
    /// Only the scores for AA and BWT: each task right after it is learned, and all tasks after the
    /// last one.
    Final,
    /// Every task after every task.
    Full,
    /// No scores: tasks need no questions.
    Nothing,
}

impl Scoring {
    /// Whether to score task `task` (from 0) after `learned` of `tasks` tasks.
    ///
    /// Scores that have no meaning in the protocol are not measured: an independent model is scored
    /// on its own task only, and a joint model only after it has learned all tasks.
    pub fn measures(self, protocol: Protocol, learned: usize, task: usize, tasks: usize) -> bool {
        if self == Self::Nothing {
            return false;
        }
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
                Self::Nothing => false,
            },
        }
    }
}
