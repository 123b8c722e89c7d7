//! The model that every run of a comparison starts from, and what stands for what it knows.

pub mod calibration;
mod observed;

use std::cell::OnceCell;

use anyhow::Result;
use burn::tensor::Device;
use continual::CalibrationData;
use lm::{FolderFingerprint, HfFolder, Model, TextTokenizer};

use crate::data::builtin;
use crate::settings::RunConfig;
use observed::Observed;

/// A model that every run of a comparison starts from.
pub struct BaseModel {
    /// The model as read.
    pub model: Model,
    /// Its tokenizer.
    pub tokenizer: TextTokenizer,
    /// Rows that stand for what is to be retained.
    pub calibration: Option<CalibrationData>,
    /// Layers whose inputs can be measured, once somebody asks.
    observed: OnceCell<Observed>,
    /// What the model was read from.
    pub fingerprint: FolderFingerprint,
    /// What was not as its authors' tools would have it, in sentences.
    pub warnings: Vec<String>,
}

impl BaseModel {
    /// Opens the model of a configuration.
    ///
    /// # Errors
    ///
    /// A folder that cannot be read, and what [`check`](Self::check) finds.
    pub fn open(config: &RunConfig, device: &Device) -> Result<Self> {
        let path = match &config.model {
            Some(path) => path.clone(),
            None => builtin::model(&config.registries, &config.benchmark)?,
        };
        let folder = HfFolder::open(path)?;
        let tokenizer = folder.tokenizer()?;
        let loaded = folder.load::<Model>(device)?;
        let warnings = tokenizer.warnings().iter().chain(&loaded.warnings);
        let base = Self {
            warnings: warnings.cloned().collect(),
            fingerprint: folder.fingerprint(tokenizer.stop_tokens())?,
            tokenizer,
            model: loaded.model,
            calibration: None,
            observed: OnceCell::new(),
        };
        for order in config.orders() {
            base.check(&config.with_order(&order)?, device)?;
        }
        Ok(base)
    }

    /// Checks that the methods of a configuration can work on the model, and on its device.
    ///
    /// # Errors
    ///
    /// A precision that the device lacks, targets that are not there or that no calibration can observe.
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

    /// Gets the calibration data of a configuration, where it asks for some.
    ///
    /// # Errors
    ///
    /// If the calibration text cannot be read.
    pub fn calibrate(&mut self, config: &RunConfig) -> Result<()> {
        self.calibration = calibration::data(config, &self.model, &self.tokenizer)?;
        Ok(())
    }
}
