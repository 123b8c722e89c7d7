//! The built-in methods: one file or folder per method or group of methods, and one entry of the list.

mod adapters;
mod distillation;
mod ewc;
mod input_projection;
mod l2_sp;
mod lwf;
mod lwf_generated;
mod merge;
mod multi_task;
mod osft;
mod osft_lwf;
mod per_task;
mod quadratic;
mod replay;
mod saved_rows;
mod seqft;
mod settings;
mod task_start;

use ::osft::ShareRules;
use lm::LanguageModel;
use serde::{Deserialize, Serialize};

pub use adapters::{
    AdapterConfig, IncLoraKind, LoraConfig, LoraDecayConfig, LoraDecayKind, LoraKind, LoraMethod,
    OrthogonalityOn, PerTaskValue, SeqSvdConfig, SeqSvdKind, SeqSvdMethod, SingularLora,
    SingularLoraKind, SingularStart,
};
pub use ewc::{Ewc, EwcConfig, EwcKind};
pub use input_projection::{InputProjection, InputProjectionKind};
pub use l2_sp::{L2Sp, L2SpConfig, L2SpKind};
pub use lwf::{Lwf, LwfConfig, LwfKind};
pub use lwf_generated::{LwfGenerated, LwfGeneratedConfig, LwfGeneratedKind};
pub use merge::{
    MergeKind, MergeMethod, MergeRule, MergeSettings, TaskWeight, TaskWeightName, ThresholdKind,
    TiesKind, TiesSettings, between,
};
pub use multi_task::{MultiTaskFt, MultiTaskKind};
pub use osft::{
    OSFT, OsftKind, OsftMethod, PAPER_TARGETS, ThroughCores, remove_absent, write_absent,
};
pub use osft_lwf::{OsftLwf, OsftLwfConfig, OsftLwfKind};
pub use per_task::{PerTaskFt, PerTaskKind};
pub use replay::{Replay, ReplayConfig, ReplayKind};
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
            .with(LoraDecayKind)
            .with(IncLoraKind)
            .with(LoraKind::orthogonal())
            .with(SingularLoraKind::smallest())
            .with(SingularLoraKind::largest())
            .with(SeqSvdKind)
            .with(L2SpKind)
            .with(EwcKind)
            .with(LwfKind)
            .with(LwfGeneratedKind)
            .with(ReplayKind)
            .with(MergeKind::line())
            .with(MergeKind::sphere())
            .with(TiesKind)
            .with(ThresholdKind)
            .with(InputProjectionKind::gpm(rules))
            .with(InputProjectionKind::sgp(rules))
            .with(InputProjectionKind::adam_nscl(rules))
            .with(PerTaskKind)
            .with(MultiTaskKind)
            .with(OsftKind::paper(rules))
            .with(OsftLwfKind::new(rules))
            .with(OsftKind::configured(rules))
    }
}

/// The settings of a method without settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}
