//! Published methods that project updates off the inputs of earlier tasks, by the split of `osft`.

use ::osft::{
    BasePrecision, Combine, DEFAULT_ALPHA, GrowingEnergy, OsftConfig, Scaling, ShareRule,
    ShareRules, SplitSource, Targets,
};
use burn::tensor::Device;
use lm::LanguageModel;
use serde::{Deserialize, Serialize};

use super::osft::{OsftMethod, TARGETS, needs, observed_targets, searched_share};
use crate::error::ContinualError;
use crate::method::{
    CalibrationUse, KindVariant, MemoryNeeds, Method, MethodInputs, MethodKind, ObservedLayer,
    SearchedSetting,
};

/// Which published method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Published {
    Gpm,
    Sgp,
    AdamNscl,
}

/// A published method that projects updates off the inputs of earlier tasks, in the registry.
///
/// What equals the published algorithms is the projection: which directions it removes, and by how much it
/// scales the others. What differs in all of them: the optimizer runs in coordinates of the free directions,
/// so that AdamW cannot leave them; weight decay acts on the change; everything that is not a target is
/// frozen; and inputs are measured as second moments, never stored.
pub struct InputProjectionKind {
    published: Published,
    rules: ShareRules,
}

/// Settings of these methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputProjection {
    /// Which parameters are split.
    pub targets: Targets,
    /// How many directions a source protects.
    pub protected_share: ShareRule,
    /// `α` of the scaling, finite and at least 0; `sgp` alone has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling_alpha: Option<f64>,
    /// Whether the inputs of the base model are protected too. Otherwise the first task trains freely, as
    /// published.
    #[serde(default)]
    pub protect_base: bool,
    /// Precision of the targets' weights while they train.
    #[serde(default)]
    pub base_precision: BasePrecision,
}

impl InputProjectionKind {
    /// `gpm`: after every task, the fewest directions are added that the task's inputs need to have a share of
    /// their energy protected.
    ///
    /// # References
    ///
    /// Saha et al., "Gradient Projection Memory for Continual Learning", ICLR 2021; the share grows by 0.003
    /// with every task as in the published code. There, SGD steps along the projected gradient.
    pub fn gpm(rules: &ShareRules) -> Self {
        Self::new(Published::Gpm, rules)
    }

    /// `sgp`: as `gpm`, but the directions are scaled down by their importance, which accumulates.
    ///
    /// # References
    ///
    /// Saha and Roy, "Continual Learning with Scaled Gradient Projection", AAAI 2023. There, SGD steps along
    /// the scaled gradient, by `p` times as much in every direction. Here AdamW makes about the same step, but
    /// SGD one of `p²`.
    pub fn sgp(rules: &ShareRules) -> Self {
        Self::new(Published::Sgp, rules)
    }

    /// `adam-nscl`: directions are free whose energy, in the mean over the tasks, is at most a multiple of the
    /// smallest one.
    ///
    /// # References
    ///
    /// Wang et al., "Training Networks in Null Space of Feature Covariance for Continual Learning", CVPR
    /// 2021. There, Adam runs in the coordinates of the weight, and its step is multiplied by the projector
    /// divided by its norm, at a learning rate of its own; the mean weighs tasks by their tokens, here every
    /// task counts the same.
    pub fn adam_nscl(rules: &ShareRules) -> Self {
        Self::new(Published::AdamNscl, rules)
    }

    fn new(published: Published, rules: &ShareRules) -> Self {
        Self {
            published,
            rules: rules.clone(),
        }
    }

    fn config(&self, settings: &InputProjection) -> OsftConfig {
        let config = OsftConfig::new()
            .with_split(SplitSource::Inputs)
            .with_share_rule(settings.protected_share.clone())
            .with_base_precision(settings.base_precision);
        let config = OsftConfig {
            targets: settings.targets.clone(),
            ..config
        };
        match self.published {
            Published::Gpm => config.with_combine(Combine::Union),
            Published::Sgp => config
                .with_combine(Combine::Union)
                .with_scaling(Scaling::Scaled)
                .with_scaling_alpha(settings.scaling_alpha.unwrap_or(DEFAULT_ALPHA)),
            Published::AdamNscl => config,
        }
    }

    fn text(&self) -> (&'static str, &'static str) {
        match self.published {
            Published::Gpm => (
                "gpm",
                "Gradient Projection Memory: the directions that the inputs of earlier tasks need stay as they are",
            ),
            Published::Sgp => (
                "sgp",
                "Scaled Gradient Projection: as gpm, but directions are scaled down by their importance",
            ),
            Published::AdamNscl => (
                "adam-nscl",
                "Adam-NSCL: only directions in which the inputs of earlier tasks have little energy move",
            ),
        }
    }
}

impl<M: LanguageModel + 'static> MethodKind<M> for InputProjectionKind {
    type Settings = InputProjection;

    fn name(&self) -> &str {
        self.text().0
    }

    fn help(&self) -> &str {
        self.text().1
    }

    fn defaults(&self) -> InputProjection {
        let energy = GrowingEnergy {
            first: 0.95,
            per_task: 0.003,
        };
        InputProjection {
            targets: Targets::matching([TARGETS]),
            protected_share: match self.published {
                Published::Gpm | Published::Sgp => ShareRule::growing_energy(energy),
                Published::AdamNscl => ShareRule::threshold(10.0),
            },
            scaling_alpha: (self.published == Published::Sgp).then_some(DEFAULT_ALPHA),
            protect_base: false,
            base_precision: BasePrecision::Full,
        }
    }

    fn checked(&self, settings: InputProjection) -> Result<InputProjection, ContinualError> {
        if settings.scaling_alpha.is_some() && self.published != Published::Sgp {
            return Err(ContinualError::MethodSetting {
                setting: format!("methods.{}.scaling_alpha", self.text().0),
                reason: "only sgp scales directions: leave it out".to_string(),
            });
        }
        let config = self.config(&settings).with_rules(&self.rules)?;
        config.validate()?;
        Ok(InputProjection {
            protected_share: config.protected_share,
            ..settings
        })
    }

    fn label(&self, settings: &InputProjection) -> String {
        let alpha = settings.scaling_alpha;
        let alpha = alpha.map_or(String::new(), |alpha| format!(" alpha {alpha}"));
        let base = match settings.protect_base {
            true => " with base",
            false => "",
        };
        let precision = match settings.base_precision {
            BasePrecision::Full => "",
            BasePrecision::Bf16 => " bf16-base",
        };
        let share = settings.protected_share.label();
        format!("{} {share}{alpha}{base}{precision}", self.text().0)
    }

    fn calibration(&self, settings: &InputProjection) -> CalibrationUse {
        match settings.protect_base {
            true => CalibrationUse::Needed,
            false => CalibrationUse::OfTasks,
        }
    }

    fn observed(
        &self,
        settings: &InputProjection,
        model: &M,
    ) -> Result<Vec<ObservedLayer>, ContinualError> {
        observed_targets(&settings.targets, model)
    }

    fn check_device(
        &self,
        settings: &InputProjection,
        device: &Device,
    ) -> Result<(), ContinualError> {
        Ok(self.config(settings).check_device(device)?)
    }

    fn memory(&self, settings: &InputProjection, model: &M) -> Result<MemoryNeeds, ContinualError> {
        needs(&self.config(settings), model)
    }

    /// None: what a step costs depends on what is retained.
    fn variants(&self) -> Vec<KindVariant> {
        Vec::new()
    }

    fn searched(&self, settings: &InputProjection) -> Vec<SearchedSetting> {
        let alpha = settings.scaling_alpha.map(|_| {
            let range = [1.0, 5.0, 10.0, 25.0];
            SearchedSetting::values("scaling_alpha", range)
        });
        let share = searched_share(&settings.protected_share).into_iter();
        share.chain(alpha).collect()
    }

    fn build(
        &self,
        settings: InputProjection,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        let mut method = OsftMethod::new(self.config(&settings));
        if !settings.protect_base {
            method = method.without_base();
        }
        Ok(Box::new(method.with_inputs(inputs)))
    }
}
