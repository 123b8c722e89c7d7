//! The built-in methods: one file or folder per method, and one entry of the list.

mod input_projection;
mod lora;
mod multi_task;
mod osft;
mod per_task;
mod seqft;
mod task_start;

use ::osft::ShareRules;
use lm::LanguageModel;
use serde::{Deserialize, Serialize};

pub use input_projection::{InputProjection, InputProjectionKind};
pub use lora::{LoraConfig, LoraKind, LoraMethod, PerTaskValue};
pub use multi_task::{MultiTaskFt, MultiTaskKind};
pub use osft::{OSFT, OsftKind, OsftMethod, PAPER_TARGETS, ThroughCores};
pub use per_task::{PerTaskFt, PerTaskKind};
pub use seqft::{SeqFt, SeqFtKind};

use crate::method::MethodRegistry;

impl<M: LanguageModel + 'static> MethodRegistry<M> {
    /// The built-in methods.
    pub fn builtin() -> Self {
        Self::with_share_rules(&ShareRules::builtin())
    }

    /// The built-in methods; OSFT uses these rules for the number of protected directions.
    pub fn with_share_rules(rules: &ShareRules) -> Self {
        Self::empty()
            .with(SeqFtKind)
            .with(LoraKind::sequential())
            .with(LoraKind::orthogonal())
            .with(PerTaskKind)
            .with(MultiTaskKind)
            .with(OsftKind::paper(rules))
            .with(OsftKind::configured(rules))
            .with(InputProjectionKind::gpm(rules))
            .with(InputProjectionKind::sgp(rules))
            .with(InputProjectionKind::adam_nscl(rules))
    }
}

/// The settings of a method without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}
