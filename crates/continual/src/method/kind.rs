//! A kind of method, as the registry lists it: name, settings, and how to build a method from them.

use std::path::Path;

use burn::module::ParamId;
use burn::tensor::Device;
use lm::LanguageModel;
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

use super::{Flag, MemoryNeeds, Method, OptimizerName, SearchedSetting};
use crate::calibration::CalibrationData;
use crate::error::ContinualError;
use crate::protocol::Protocol;

/// The inputs of a method beside its settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct MethodInputs<'a> {
    /// Seed of everything that the method draws at random.
    pub seed: u64,
    /// Rows that stand for what is to be retained.
    pub calibration: Option<&'a CalibrationData>,
    /// A folder where the method may cache results that it can compute again.
    pub cache: Option<&'a Path>,
    /// The tokens of the model's texts.
    pub vocabulary: Option<Vocabulary<'a>>,
}

/// The tokens of a model's texts, as its tokenizer knows them.
#[derive(Clone, Copy, Debug)]
pub struct Vocabulary<'a> {
    /// Number of tokens.
    pub size: usize,
    /// Number of tokens that the model has embeddings for: it may also answer with one that its tokenizer does not know.
    pub embeddings: usize,
    /// The stop tokens.
    pub ends: &'a [u32],
}

/// Whether a method runs the model over rows that stand for what is to be retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalibrationUse {
    /// It never does.
    Never,
    /// It does if there are such rows.
    WhereMeasured,
    /// It does after every task, on rows of that task; it reads no rows that stand for the base model.
    OfTasks,
    /// It requires such rows.
    Needed,
}

impl CalibrationUse {
    /// Whether it reads rows that stand for what the base model knows.
    pub fn reads_base_rows(self) -> bool {
        match self {
            Self::Never | Self::OfTasks => false,
            Self::WhereMeasured | Self::Needed => true,
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

/// A method with some of its settings, under its own name: an entry of a timing.
#[derive(Clone, Debug, PartialEq)]
pub struct KindVariant {
    /// Its name on the command line.
    pub name: String,
    /// Its name in tables.
    pub label: String,
    /// One sentence about it.
    pub help: String,
    /// The settings that differ from the defaults, as in `[methods.NAME]`.
    pub settings: Table,
    /// Settings that a timing may vary.
    pub axes: Vec<&'static str>,
}

/// A kind of method: one entry of the [`MethodRegistry`](super::MethodRegistry).
///
/// The first four functions and the type of the settings are required; the others have defaults.
pub trait MethodKind<M: LanguageModel + 'static>: Send + Sync + 'static {
    /// Its settings, under `[methods.NAME]`.
    type Settings: Clone + Serialize + DeserializeOwned;

    /// Its name on the command line, in settings and in tables.
    fn name(&self) -> &str;

    /// One sentence for `--help`.
    fn help(&self) -> &str;

    /// The default settings.
    fn defaults(&self) -> Self::Settings;

    /// Builds a method with these settings.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or an input is missing.
    fn build(
        &self,
        settings: Self::Settings,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError>;

    /// How it goes through the tasks; [`Method::protocol`] of its methods must return the same.
    fn protocol(&self) -> Protocol {
        Protocol::Sequential
    }

    /// Completes settings that were read, and checks them as far as possible without a model.
    ///
    /// # Errors
    ///
    /// If a setting is out of range.
    fn checked(&self, settings: Self::Settings) -> Result<Self::Settings, ContinualError> {
        Ok(settings)
    }

    /// Writes into a table of its settings the values that absent keys mean, where defaults of a run may set others: the
    /// table means the same over any defaults.
    fn write_absent(&self, _settings: &mut Table) {}

    /// Removes what [`write_absent`](Self::write_absent) wrote: results are compared by settings without it.
    fn remove_absent(&self, _settings: &mut Table) {}

    /// Whether defaults of a run that bound how far a task moves go with what was chosen of its settings. They are dropped
    /// otherwise, with their learning rate: it is too large without the bound.
    fn takes_bound(&self, _chosen: &Table) -> bool {
        false
    }

    /// Checks that the method works with an optimizer.
    ///
    /// # Errors
    ///
    /// [`ContinualError::InvalidSetting`] if it does not.
    fn check_optimizer(&self, _optimizer: OptimizerName) -> Result<(), ContinualError> {
        Ok(())
    }

    /// The numbers of rows that the tasks of a sequence train on in an epoch, given how many each of
    /// them has; [`Method::rows`] returns as many, and beside them those that an earlier sequence carried.
    fn rows_per_task(&self, _settings: &Self::Settings, rows: &[usize]) -> Vec<usize> {
        rows.to_vec()
    }

    /// Its name in reports, with the settings that distinguish it.
    fn label(&self, _settings: &Self::Settings) -> String {
        self.name().to_string()
    }

    /// Whether it reads rows that stand for what is to be retained.
    fn calibration(&self, _settings: &Self::Settings) -> CalibrationUse {
        CalibrationUse::Never
    }

    /// Whether [`Method::adapter`] returns what its methods have learned.
    fn learns_adapter(&self) -> bool {
        false
    }

    /// The layers of a model whose inputs it measures during calibration.
    ///
    /// # Errors
    ///
    /// If the settings select nothing in the model.
    fn observed(
        &self,
        _settings: &Self::Settings,
        _model: &M,
    ) -> Result<Vec<ObservedLayer>, ContinualError> {
        Ok(Vec::new())
    }

    /// Checks that a device supports the settings.
    ///
    /// # Errors
    ///
    /// If the device lacks a feature.
    fn check_device(
        &self,
        _settings: &Self::Settings,
        _device: &Device,
    ) -> Result<(), ContinualError> {
        Ok(())
    }

    /// The memory that it needs to train `model`. It counts without reading values, so a model
    /// without loaded weights suffices.
    ///
    /// # Errors
    ///
    /// If the settings select nothing in the model.
    fn memory(&self, _settings: &Self::Settings, model: &M) -> Result<MemoryNeeds, ContinualError> {
        let parameters = model.num_params();
        Ok(MemoryNeeds::of_weights(parameters, parameters))
    }

    /// Command-line flags that are short for its settings.
    fn flags(&self) -> Vec<Flag> {
        Vec::new()
    }

    /// Settings that are tables of settings themselves: of a table that is given for one of them, every value
    /// replaces that of its defaults. Other tables are replaced as a whole.
    fn nested(&self) -> &'static [&'static str] {
        &[]
    }

    /// The settings that are worth searching beside the learning rate, where a method starts from
    /// `settings`.
    fn searched(&self, _settings: &Self::Settings) -> Vec<SearchedSetting> {
        Vec::new()
    }

    /// The variants to time; empty if its steps need rows that stand for what is to be retained.
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

/// A [`MethodKind`] whose settings are a table: an entry of the registry.
pub trait RegisteredKind<M: LanguageModel + 'static>: Send + Sync {
    /// As [`MethodKind::name`].
    fn name(&self) -> &str;

    /// As [`MethodKind::help`].
    fn help(&self) -> &str;

    /// As [`MethodKind::protocol`].
    fn protocol(&self) -> Protocol;

    /// As [`MethodKind::learns_adapter`].
    fn learns_adapter(&self) -> bool;

    /// As [`MethodKind::flags`].
    fn flags(&self) -> Vec<Flag>;

    /// As [`MethodKind::variants`].
    fn variants(&self) -> Vec<KindVariant>;

    /// All settings of the method: `table` over the defaults.
    ///
    /// # Errors
    ///
    /// [`ContinualError::MethodSetting`] for an unknown setting or one of the wrong type, and the
    /// errors of [`MethodKind::checked`].
    fn settings(&self, table: &Table) -> Result<Table, ContinualError>;

    /// As [`MethodKind::remove_absent`].
    fn remove_absent(&self, settings: &mut Table);

    /// As [`MethodKind::takes_bound`].
    fn takes_bound(&self, chosen: &Table) -> bool;

    /// As [`MethodKind::check_optimizer`].
    ///
    /// # Errors
    ///
    /// As there.
    fn check_optimizer(&self, optimizer: OptimizerName) -> Result<(), ContinualError>;

    /// As [`MethodKind::searched`].
    ///
    /// # Errors
    ///
    /// The errors of [`settings`](Self::settings).
    fn searched(&self, table: &Table) -> Result<Vec<SearchedSetting>, ContinualError>;

    /// As [`MethodKind::rows_per_task`].
    ///
    /// # Errors
    ///
    /// The errors of [`settings`](Self::settings).
    fn rows_per_task(&self, table: &Table, rows: &[usize]) -> Result<Vec<usize>, ContinualError>;

    /// As [`MethodKind::label`].
    ///
    /// # Errors
    ///
    /// The errors of [`settings`](Self::settings).
    fn label(&self, table: &Table) -> Result<String, ContinualError>;

    /// As [`MethodKind::calibration`].
    ///
    /// # Errors
    ///
    /// The errors of [`settings`](Self::settings).
    fn calibration(&self, table: &Table) -> Result<CalibrationUse, ContinualError>;

    /// As [`MethodKind::observed`].
    ///
    /// # Errors
    ///
    /// As there, and the errors of [`settings`](Self::settings).
    fn observed(&self, table: &Table, model: &M) -> Result<Vec<ObservedLayer>, ContinualError>;

    /// As [`MethodKind::check_device`].
    ///
    /// # Errors
    ///
    /// As there, and the errors of [`settings`](Self::settings).
    fn check_device(&self, table: &Table, device: &Device) -> Result<(), ContinualError>;

    /// As [`MethodKind::memory`].
    ///
    /// # Errors
    ///
    /// As there, and the errors of [`settings`](Self::settings).
    fn memory(&self, table: &Table, model: &M) -> Result<MemoryNeeds, ContinualError>;

    /// As [`MethodKind::build`].
    ///
    /// # Errors
    ///
    /// As there, and the errors of [`settings`](Self::settings); [`ContinualError::Protocol`] if
    /// the method's protocol differs from its kind's.
    fn build(
        &self,
        table: &Table,
        inputs: MethodInputs<'_>,
    ) -> Result<Box<dyn Method<M>>, ContinualError>;
}
