//! What the registry knows of a method before there is one: its name, its settings and how it is made.

use std::path::Path;

use burn::module::ParamId;
use burn::tensor::Device;
use lm::LanguageModel;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use super::{Flag, Method};
use crate::calibration::CalibrationData;
use crate::error::ContinualError;
use crate::protocol::Protocol;

/// What a method is made from, beside its settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct MethodInputs<'a> {
    /// Decides what the method draws.
    pub seed: u64,
    /// Rows that stand for what is to be retained.
    pub calibration: Option<&'a CalibrationData>,
    /// A folder where the method may keep what it can make again.
    pub cache: Option<&'a Path>,
}

/// Whether a method runs the model over rows that stand for what is to be retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationUse {
    /// It does not.
    Never,
    /// It does where there are such rows.
    WhereMeasured,
    /// It cannot do without.
    Needed,
}

/// What a method holds in memory while it trains, activations not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryNeeds {
    /// Numbers that train; `None` where that follows from values of the model.
    pub trainable: Option<usize>,
    /// Bytes of the weights, what is attached to them, a gradient and two moments per number that trains; an
    /// upper bound where `trainable` is not known.
    pub bytes: usize,
}

impl MemoryNeeds {
    /// Of a method that trains `trainable` of `parameters` numbers in f32.
    pub fn of_weights(parameters: usize, trainable: usize) -> Self {
        Self {
            trainable: Some(trainable),
            bytes: (parameters + 3 * trainable) * 4,
        }
    }

    /// Of a method that trains `adapters` numbers beside `parameters` frozen ones, in f32.
    pub fn of_adapters(parameters: usize, adapters: usize) -> Self {
        Self {
            trainable: Some(adapters),
            bytes: (parameters + 4 * adapters) * 4,
        }
    }
}

/// A layer whose inputs a method measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObservedLayer {
    /// Identity of its weight.
    pub id: ParamId,
    /// Path of its weight.
    pub path: String,
}

/// A method with some of its settings, under a name of its own where methods are timed.
#[derive(Clone, Debug, PartialEq)]
pub struct KindVariant {
    /// Its name.
    pub name: String,
    /// Its name in tables.
    pub label: String,
    /// What it is, in one sentence.
    pub help: String,
    /// The settings that differ from the defaults.
    pub settings: Table,
    /// Settings that a timing may vary.
    pub axes: Vec<&'static str>,
}

/// A kind of method: one line of the [`MethodRegistry`](super::MethodRegistry).
///
/// Only the first four functions have no default.
pub trait MethodKind<M: LanguageModel + 'static>: Send + Sync + 'static {
    /// Its settings, under `[methods.NAME]`.
    type Settings: Clone + Serialize + DeserializeOwned;

    /// Its name, as it is typed and in tables.
    fn name(&self) -> &str;

    /// What it is, in one sentence for `--help`.
    fn help(&self) -> &str;

    /// Its settings where nobody says otherwise.
    fn defaults(&self) -> Self::Settings;

    /// A method with these settings.
    ///
    /// # Errors
    ///
    /// Settings out of range, and inputs that are missing.
    fn build(
        &self,
        settings: Self::Settings,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError>;

    /// How it goes through the tasks; what [`Method::protocol`] of its methods says.
    fn protocol(&self) -> Protocol {
        Protocol::Sequential
    }

    /// Completes settings that were read, and checks them as far as that can be done without a model.
    ///
    /// # Errors
    ///
    /// The first setting that is out of range.
    fn checked(&self, settings: Self::Settings) -> Result<Self::Settings, ContinualError> {
        Ok(settings)
    }

    /// Its name in reports, with what tells its settings apart.
    fn label(&self, _settings: &Self::Settings) -> String {
        self.name().to_string()
    }

    /// Whether it reads rows that stand for what is to be retained.
    fn calibration(&self, _settings: &Self::Settings) -> CalibrationUse {
        CalibrationUse::Never
    }

    /// The layers of a model whose inputs it measures where it calibrates.
    ///
    /// # Errors
    ///
    /// If its settings select nothing in the model.
    fn observed(
        &self,
        _settings: &Self::Settings,
        _model: &M,
    ) -> Result<Vec<ObservedLayer>, ContinualError> {
        Ok(Vec::new())
    }

    /// Checks that a device can do what the settings ask for.
    ///
    /// # Errors
    ///
    /// What the device lacks.
    fn check_device(
        &self,
        _settings: &Self::Settings,
        _device: &Device,
    ) -> Result<(), ContinualError> {
        Ok(())
    }

    /// What it holds in memory while it trains `model`, counted without looking at a value: a model that
    /// was built and not filled suffices.
    ///
    /// # Errors
    ///
    /// If its settings select nothing in the model.
    fn memory(&self, _settings: &Self::Settings, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let parameters = model.num_params();
        Ok(MemoryNeeds::of_weights(parameters, parameters))
    }

    /// Flags that are short for settings of it.
    fn flags(&self) -> Vec<Flag> {
        Vec::new()
    }

    /// What is timed of it; nothing where its steps need rows that stand for what is to be retained.
    fn variants(&self) -> Vec<KindVariant> {
        vec![KindVariant {
            name: self.name().to_string(),
            label: self.name().to_string(),
            help: self.help().to_string(),
            settings: Table::new(),
            axes: Vec::new(),
        }]
    }
}

/// A [`MethodKind`] whose settings are a table: what the registry holds.
pub trait RegisteredKind<M: LanguageModel + 'static>: Send + Sync {
    /// As [`MethodKind::name`].
    fn name(&self) -> &str;

    /// As [`MethodKind::help`].
    fn help(&self) -> &str;

    /// As [`MethodKind::protocol`].
    fn protocol(&self) -> Protocol;

    /// As [`MethodKind::flags`].
    fn flags(&self) -> Vec<Flag>;

    /// As [`MethodKind::variants`].
    fn variants(&self) -> Vec<KindVariant>;

    /// All settings of the method, those of `table` in place of its defaults where both have them.
    ///
    /// # Errors
    ///
    /// [`ContinualError::MethodSetting`] for a setting that there is not or that has another type, and what
    /// [`MethodKind::checked`] finds.
    fn settings(&self, table: &Table) -> Result<Table, ContinualError>;

    /// As [`MethodKind::label`].
    ///
    /// # Errors
    ///
    /// As [`settings`](Self::settings).
    fn label(&self, table: &Table) -> Result<String, ContinualError>;

    /// As [`MethodKind::calibration`].
    ///
    /// # Errors
    ///
    /// As [`settings`](Self::settings).
    fn calibration(&self, table: &Table) -> Result<CalibrationUse, ContinualError>;

    /// As [`MethodKind::observed`].
    ///
    /// # Errors
    ///
    /// As there, and as [`settings`](Self::settings).
    fn observed(&self, table: &Table, model: &M) -> Result<Vec<ObservedLayer>, ContinualError>;

    /// As [`MethodKind::check_device`].
    ///
    /// # Errors
    ///
    /// As there, and as [`settings`](Self::settings).
    fn check_device(&self, table: &Table, device: &Device) -> Result<(), ContinualError>;

    /// As [`MethodKind::memory`].
    ///
    /// # Errors
    ///
    /// As there, and as [`settings`](Self::settings).
    fn memory(&self, table: &Table, model: &M) -> Result<MemoryNeeds, ContinualError>;

    /// As [`MethodKind::build`].
    ///
    /// # Errors
    ///
    /// As there, and as [`settings`](Self::settings); [`ContinualError::Protocol`] where the method goes
    /// through the tasks in another way than its kind says.
    fn build(
        &self,
        table: &Table,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError>;
}
