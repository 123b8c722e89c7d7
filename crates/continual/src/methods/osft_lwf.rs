//! OSFT together with learning without forgetting on generated rows.

use ::osft::{OsftConfig, ShareRules};
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::{Device, Tensor};
use lm::{LanguageModel, LinearMap};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::lwf_generated::{GeneratedTerm, LwfGeneratedConfig, LwfGeneratedKind};
use super::osft::{OsftKind, OsftMethod};
use crate::checkpoint::{Checkpoint, StatePart};
use crate::error::ContinualError;
use crate::method::{
    CalibrationUse, KindVariant, MemoryNeeds, Method, MethodInputs, MethodKind, ObservedLayer,
    SearchedSetting, TaskContext, TaskDiagnostics,
};

/// OSFT, whose loss also has the term of [`LwfGenerated`](super::LwfGenerated): directions that carry much do not
/// move, and the others move less where the model's own text needs them.
pub struct OsftLwf<M> {
    osft: OsftMethod,
    term: GeneratedTerm<M>,
}

impl<M: LanguageModel> Method<M> for OsftLwf<M> {
    fn begin_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, ModuleOptimizer), ContinualError> {
        self.term.begin(&model, context)?;
        self.osft.begin_task(model, context)
    }

    fn trains(&self) -> Option<String> {
        Method::<M>::trains(&self.osft)
    }

    fn penalty(&self, model: &M, step: usize) -> Option<Tensor<1>> {
        self.term.penalty(model, step, self.linear_map())
    }

    fn linear_map(&self) -> &dyn LinearMap {
        Method::<M>::linear_map(&self.osft)
    }

    fn project(&self, model: &M, grads: GradientsParams) -> GradientsParams {
        self.osft.project(model, grads)
    }

    fn state(&self) -> Vec<StatePart<'_>> {
        let mut parts = Method::<M>::state(&self.osft);
        parts.extend(self.term.state());
        parts
    }

    fn restore(&mut self, base: &M, saved: &Checkpoint) -> Result<(), ContinualError> {
        self.osft.restore(base, saved)?;
        self.term.restore(base, saved)
    }

    /// The term carries nothing from task to task.
    fn carried(&self) -> Vec<StatePart<'_>> {
        Method::<M>::carried(&self.osft)
    }

    fn take_over(&mut self, model: &M, carried: &Checkpoint) -> Result<(), ContinualError> {
        self.osft.take_over(model, carried)
    }

    fn end_task(
        &mut self,
        model: M,
        context: TaskContext<'_>,
    ) -> Result<(M, TaskDiagnostics), ContinualError> {
        self.term.end();
        self.osft.end_task(model, context)
    }
}

/// Settings of [`OsftLwf`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OsftLwfConfig {
    /// The split, as in `osft`.
    pub osft: OsftConfig,
    /// The term, as in `lwf-generated`.
    pub term: LwfGeneratedConfig,
}

/// [`OsftLwf`] in the registry.
pub struct OsftLwfKind(OsftKind);

impl OsftLwfKind {
    /// With these rules for the number of protected directions.
    pub fn new(rules: &ShareRules) -> Self {
        Self(OsftKind::configured(rules))
    }

    fn osft<M: LanguageModel + 'static>(&self) -> &dyn MethodKind<M, Settings = OsftConfig> {
        &self.0
    }
}

fn term<M: LanguageModel + 'static>() -> &'static dyn MethodKind<M, Settings = LwfGeneratedConfig> {
    &LwfGeneratedKind
}

impl<M: LanguageModel + 'static> MethodKind<M> for OsftLwfKind {
    type Settings = OsftLwfConfig;

    fn name(&self) -> &str {
        "osft-lwf"
    }

    fn help(&self) -> &str {
        "Orthogonal Subspace Fine-Tuning together with lwf-generated: its term is added to the loss"
    }

    fn defaults(&self) -> OsftLwfConfig {
        OsftLwfConfig {
            osft: self.osft::<M>().defaults(),
            term: term::<M>().defaults(),
        }
    }

    fn nested(&self) -> &'static [&'static str] {
        &["osft", "term"]
    }

    fn checked(&self, settings: OsftLwfConfig) -> Result<OsftLwfConfig, ContinualError> {
        Ok(OsftLwfConfig {
            osft: self.osft::<M>().checked(settings.osft)?,
            term: term::<M>().checked(settings.term)?,
        })
    }

    fn write_absent(&self, settings: &mut Table) {
        if let Some(Value::Table(osft)) = settings.get_mut("osft") {
            self.osft::<M>().write_absent(osft);
        }
    }

    fn remove_absent(&self, settings: &mut Table) {
        if let Some(Value::Table(osft)) = settings.get_mut("osft") {
            self.osft::<M>().remove_absent(osft);
        }
    }

    fn takes_bound(&self, chosen: &Table) -> bool {
        let osft = chosen.get("osft").and_then(Value::as_table);
        osft.is_none_or(|osft| self.osft::<M>().takes_bound(osft))
    }

    fn label(&self, settings: &OsftLwfConfig) -> String {
        let osft = self.osft::<M>().label(&settings.osft);
        format!("{osft} + {}", term::<M>().label(&settings.term))
    }

    fn calibration(&self, settings: &OsftLwfConfig) -> CalibrationUse {
        self.osft::<M>().calibration(&settings.osft)
    }

    fn observed(
        &self,
        settings: &OsftLwfConfig,
        model: &M,
    ) -> Result<Vec<ObservedLayer>, ContinualError> {
        self.osft().observed(&settings.osft, model)
    }

    fn check_device(
        &self,
        settings: &OsftLwfConfig,
        device: &Device,
    ) -> Result<(), ContinualError> {
        self.osft::<M>().check_device(&settings.osft, device)
    }

    fn memory(&self, settings: &OsftLwfConfig, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let needs = self.osft().memory(&settings.osft, model)?;
        let beside = term().memory(&settings.term, model)?;
        Ok(MemoryNeeds {
            attached: needs.attached + beside.attached,
            compared: beside.compared,
            ..needs
        })
    }

    /// None: a timing has no tokenizer, whose vocabulary the generated rows need.
    fn variants(&self) -> Vec<KindVariant> {
        Vec::new()
    }

    fn searched(&self, settings: &OsftLwfConfig) -> Vec<SearchedSetting> {
        let within = |table: &str, setting: SearchedSetting| SearchedSetting {
            name: format!("{table}.{}", setting.name).into(),
            ..setting
        };
        let osft = self.osft::<M>().searched(&settings.osft).into_iter();
        let term = term::<M>().searched(&settings.term).into_iter();
        osft.map(|setting| within("osft", setting))
            .chain(term.map(|setting| within("term", setting)))
            .collect()
    }

    fn build(
        &self,
        settings: OsftLwfConfig,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError> {
        let term = GeneratedTerm::new(settings.term, inputs.vocabulary, inputs.seed)?;
        let osft = OsftMethod::new(settings.osft).with_inputs(inputs);
        Ok(Box::new(OsftLwf { osft, term }))
    }
}
