//! The methods that merge at the end of a task, in the registry.

use burn::module::Module;
use lm::LanguageModel;
use serde::{Deserialize, Serialize};
use toml::Value;

use super::rule::{MergeRule, TaskWeight, TaskWeightName};
use super::{MergeMethod, singular, ties};
use crate::error::ContinualError;
use crate::method::{MemoryNeeds, Method, MethodInputs, MethodKind, SearchedSetting};
use crate::methods::NoSettings;

/// Settings of a method that interpolates between two models.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MergeSettings {
    /// Share of the task's change that is kept: a number in `(0, 1]`, `"1/t"` or `"1/sqrt(t)"` for
    /// task `t`.
    pub weight: TaskWeight,
}

/// Settings of TIES.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TiesSettings {
    /// Share of the numbers of a change that are kept, in `(0, 1]`; the paper keeps 0.2.
    pub density: f64,
    /// Factor of the merged change, above 0; the paper's default is 1.
    pub scale: f64,
}

/// A method that merges by interpolation.
pub struct MergeKind {
    name: &'static str,
    help: &'static str,
    rule: fn(TaskWeight) -> MergeRule,
    weight: TaskWeight,
}

impl MergeKind {
    /// `wise-ft`: a straight line between the models before and after the task.
    ///
    /// # References
    ///
    /// Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022, equation 1: between the
    /// base model and one fine-tuned model, with weight 0.5 where nothing else is known.
    pub fn line() -> Self {
        Self {
            name: "wise-ft",
            help: "Fine-tuning of all parameters; each task keeps a share of its change",
            rule: MergeRule::Line,
            weight: TaskWeight::Fixed(0.5),
        }
    }

    /// `slerp`: spherical interpolation between the models before and after the task.
    ///
    /// # References
    ///
    /// Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985; as a way to merge
    /// language models: Goddard et al., "Arcee's MergeKit", EMNLP 2024 (industry track).
    pub fn sphere() -> Self {
        Self {
            name: "slerp",
            help: "Fine-tuning of all parameters; each task is merged by spherical interpolation",
            rule: MergeRule::Sphere,
            weight: TaskWeight::ByTask(TaskWeightName::Inverse),
        }
    }
}

impl<M: LanguageModel + 'static> MethodKind<M> for MergeKind {
    type Settings = MergeSettings;

    fn name(&self) -> &str {
        self.name
    }

    fn help(&self) -> &str {
        self.help
    }

    fn defaults(&self) -> MergeSettings {
        MergeSettings {
            weight: self.weight,
        }
    }

    fn checked(&self, settings: MergeSettings) -> Result<MergeSettings, ContinualError> {
        (self.rule)(settings.weight).validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &MergeSettings) -> String {
        match settings.weight {
            TaskWeight::Fixed(weight) => format!("{} {weight}", self.name),
            TaskWeight::ByTask(TaskWeightName::Inverse) => format!("{} 1/t", self.name),
            TaskWeight::ByTask(TaskWeightName::InverseRoot) => format!("{} 1/sqrt(t)", self.name),
        }
    }

    fn memory(&self, _settings: &MergeSettings, model: &M) -> Result<MemoryNeeds, ContinualError> {
        Ok(with_copies(model, 1))
    }

    fn searched(&self, _settings: &MergeSettings) -> Vec<SearchedSetting> {
        let shares = [0.25, 0.5, 0.75].map(Value::from);
        let by_task = ["1/t", "1/sqrt(t)"].map(Value::from);
        let weights = shares.into_iter().chain(by_task);
        vec![SearchedSetting::values("weight", weights)]
    }

    fn build(
        &self,
        settings: MergeSettings,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(MergeMethod::new((self.rule)(settings.weight))?))
    }
}

/// `ties`: TIES merging of the models before and after the task.
pub struct TiesKind;

impl<M: LanguageModel + 'static> MethodKind<M> for TiesKind {
    type Settings = TiesSettings;

    fn name(&self) -> &str {
        "ties"
    }

    fn help(&self) -> &str {
        "Fine-tuning of all parameters; the changes since the base model are merged by TIES"
    }

    fn defaults(&self) -> TiesSettings {
        TiesSettings {
            density: 0.2,
            scale: 1.0,
        }
    }

    fn checked(&self, settings: TiesSettings) -> Result<TiesSettings, ContinualError> {
        rule(settings).validate()?;
        Ok(settings)
    }

    fn label(&self, settings: &TiesSettings) -> String {
        format!("ties {}", settings.density)
    }

    fn memory(&self, _settings: &TiesSettings, model: &M) -> Result<MemoryNeeds, ContinualError> {
        Ok(MemoryNeeds {
            merging: 4 * ties::NUMBERS * model.num_params(),
            ..with_copies(model, 2)
        })
    }

    fn searched(&self, _settings: &TiesSettings) -> Vec<SearchedSetting> {
        vec![SearchedSetting::values("density", [0.1, 0.2, 0.4, 0.8])]
    }

    fn build(
        &self,
        settings: TiesSettings,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(MergeMethod::new(rule(settings))?))
    }
}

/// `dg-hard`: of each task's change, only singular values above those of noise are kept.
pub struct ThresholdKind;

impl<M: LanguageModel + 'static> MethodKind<M> for ThresholdKind {
    type Settings = NoSettings;

    fn name(&self) -> &str {
        "dg-hard"
    }

    fn help(&self) -> &str {
        "Fine-tuning of all parameters; each task keeps the singular values above noise"
    }

    fn defaults(&self) -> NoSettings {
        NoSettings {}
    }

    fn memory(&self, _settings: &NoSettings, model: &M) -> Result<MemoryNeeds, ContinualError> {
        Ok(MemoryNeeds {
            merging: singular::bytes(model),
            ..with_copies(model, 1)
        })
    }

    fn build(
        &self,
        _settings: NoSettings,
        _inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        Ok(Box::new(MergeMethod::new(MergeRule::HardThreshold)?))
    }
}

fn rule(TiesSettings { density, scale }: TiesSettings) -> MergeRule {
    MergeRule::Ties { density, scale }
}

/// Plain fine-tuning with copies of the weights beside it.
fn with_copies<M: Module>(model: &M, copies: usize) -> MemoryNeeds {
    let parameters = model.num_params();
    MemoryNeeds {
        attached: 4 * copies * parameters,
        ..MemoryNeeds::of_weights(parameters, parameters)
    }
}
