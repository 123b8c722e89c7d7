//! The base model, from which every run of a comparison starts, with its calibration data.

pub mod calibration;
mod observed;

use std::path::PathBuf;
use std::sync::OnceLock;

use anyhow::Result;
use burn::tensor::Device;
use continual::CalibrationData;
use lm::{FolderFingerprint, HfFolder, Model, TextTokenizer};

use crate::data::{PreparedTasks, builtin};
use crate::model_folder::model_folder;
use crate::settings::RunConfig;
use observed::Observed;

/// What a method knows of tasks that the base model learned in an earlier sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    /// The folder with the parts of the method's state.
    pub parts: PathBuf,
    /// Number of tasks learned so far.
    pub tasks: usize,
}

/// The model from which every run of a comparison starts.
pub struct BaseModel {
    /// Where it was read.
    pub folder: HfFolder,
    /// Tasks of an earlier sequence, which the methods are to protect too.
    pub carried: Option<Carried>,
    /// The model as it was read.
    pub model: Model,
    /// Its tokenizer.
    pub tokenizer: TextTokenizer,
    /// Rows that stand for what is to be retained.
    pub calibration: Option<CalibrationData>,
    /// Layers whose inputs can be measured; computed on first use.
    observed: OnceLock<Observed>,
    /// Identifies the files that the model was read from.
    pub fingerprint: FolderFingerprint,
    /// Deviations from what the model's authors intend, in sentences.
    pub warnings: Vec<String>,
}

impl BaseModel {
    /// Opens the model of a configuration.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read, and the errors of [`check`](Self::check).
    pub fn open(config: &RunConfig, device: &Device) -> Result<Self> {
        let path = match &config.model {
            Some(path) => path.clone(),
            None => builtin::model(&config.registries, &config.benchmark)?,
        };
        let folder = HfFolder::open(model_folder(&path)?)?;
        let tokenizer = folder.tokenizer()?;
        let loaded = folder.load::<Model>(device)?;
        let warnings = tokenizer.warnings().iter().chain(&loaded.warnings);
        let base = Self {
            carried: None,
            warnings: warnings.cloned().collect(),
            fingerprint: folder.fingerprint(tokenizer.stop_tokens())?,
            folder,
            tokenizer,
            model: loaded.model,
            calibration: None,
            observed: OnceLock::new(),
        };
        for order in config.orders() {
            base.check(&config.with_order(&order)?, device)?;
        }
        Ok(base)
    }

    /// Checks that the configured methods can work on the model and its device.
    ///
    /// # Errors
    ///
    /// If the device lacks a precision, or a target does not exist or cannot be observed by
    /// calibration.
    pub fn check(&self, config: &RunConfig, device: &Device) -> Result<()> {
        for method in &config.compare {
            config
                .kind(method)?
                .check_device(config.method(method), device)?;
        }
        match config.reads_calibration() {
            true => {
                let observed = self.observed.get_or_init(|| Observed::of(&self.model));
                observed.check(config, &self.model)
            }
            false => Ok(()),
        }
    }

    /// Gets the calibration data of a configuration, if a method needs it; `orders` are the tasks of the run.
    ///
    /// # Errors
    ///
    /// If the calibration text cannot be read.
    pub fn calibrate(&mut self, config: &RunConfig, orders: &[PreparedTasks]) -> Result<()> {
        if self.carried.is_some() {
            // What the base model knows was measured in the earlier sequence.
            self.calibration = calibration::of_tasks(config);
            return Ok(());
        }
        let vocabulary = (&self.tokenizer, self.folder.embeddings());
        let data = calibration::data(config, &self.model, vocabulary, orders)?;
        let (data, remark) = data.map_or((None, None), |(data, remark)| (Some(data), remark));
        self.calibration = data;
        self.warnings.extend(remark);
        Ok(())
    }
}
