//! Loading a model from a folder.

use burn::module::Module;
use burn::store::{FloatCastAdapter, ModuleAdapter, ModuleSnapshot, PyTorchToBurnAdapter};
use burn::tensor::{DType, Device};

use super::checkpoint::Checkpoint;
use super::parameters::first_not_finite;
use super::plan::Plan;
use super::tied;
use super::{ADAPTER_CONFIG, ADAPTER_WEIGHTS, HfFolder};
use crate::error::LmError;
use crate::model::{FolderFormat, Pretrained};

/// Number of names that a warning lists before it counts the rest.
const LISTED: usize = 8;
/// Files of an adapter, which other tools apply to the model in the same folder.
const ADAPTER: [&str; 3] = [ADAPTER_CONFIG, ADAPTER_WEIGHTS, "adapter_model.bin"];

/// A loaded model.
#[derive(Clone, Debug)]
pub struct Loaded<M> {
    /// The model.
    pub model: M,
    /// Warnings about the folder, as sentences; empty for most folders.
    pub warnings: Vec<String>,
}

impl HfFolder {
    /// Loads a model with its weights in f32. `M` is [`Model`](crate::Model), for any family, or the type of
    /// one family.
    ///
    /// If weight files and `config.json` contradict each other, the files win, as in transformers 5: an
    /// output head that differs from the embeddings is used, whatever `tie_word_embeddings` says, and biases
    /// that the files lack are 0. Warnings report both, and also unread tensors, ignored keys of
    /// `config.json`, and an adapter in the folder.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] for another family or an unsupported setting; [`LmError::Json`] and
    /// [`LmError::InvalidConfig`] if `config.json` does not describe a model; [`LmError::MissingFile`],
    /// [`LmError::Io`], [`LmError::GitLfsPointer`], [`LmError::Weights`], [`LmError::DifferentCopies`] and
    /// [`LmError::MissingTensors`] if the weights are incomplete, not readable or not finite.
    pub fn load<M: Pretrained>(&self, device: &Device) -> Result<Loaded<M>, LmError> {
        let path = self.path.join("config.json");
        // Refuses a model that cannot be built before its weights are read.
        M::from_config(&self.config, &path, device)?;
        let format = FolderFormat::of_config(M::FAMILIES, &self.config, &path)?;
        let checkpoint = Checkpoint::open(&self.path, format.prefix)?;
        let tied = tied::find(&checkpoint, format, &self.config, &self.path)?;
        let mut config = self.config.clone();
        format.retie(&mut config, !tied.own_head);
        let mut model = M::from_config(&config, &path, device)?;

        let mut warnings = (format.ignored_keys)(&self.config);
        warnings.extend(tied.warnings.iter().cloned());
        let plan = Plan::of(&model, &checkpoint, format, &tied, &self.path)?;
        warnings.extend(self.fill(&mut model, plan)?);
        warnings.extend(self.adapter_warning());
        Ok(Loaded { model, warnings })
    }

    /// Fills a module from the files and returns warnings about missing biases and unread tensors.
    fn fill<M: Module>(&self, module: &mut M, mut plan: Plan) -> Result<Vec<String>, LmError> {
        let failed = |reason: String| LmError::Weights {
            path: self.path.clone(),
            reason,
        };
        let tensors = std::mem::take(&mut plan.tensors);
        let adapter = PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32));
        let result = module.apply(tensors, None, Some(Box::new(adapter)), false);
        if let Some(error) = result.errors.first() {
            return Err(failed(error.to_string()));
        }
        if let Some((path, _)) = result.missing.first() {
            return Err(failed(format!("parameter {path} was not filled")));
        }
        if let Some(path) = first_not_finite(module) {
            let name = plan.name_of(&path);
            return Err(failed(format!(
                "tensor {name} holds values that are not finite"
            )));
        }
        let mut warnings = Vec::new();
        if !plan.zero.is_empty() {
            warnings.push(format!(
                "config.json calls for biases that the files lack; they are 0: {}",
                listed(&plan.zero)
            ));
        }
        if !plan.unread.is_empty() {
            warnings.push(format!(
                "the files hold tensors that this model does not use; they are ignored: {}",
                listed(&plan.unread)
            ));
        }
        Ok(warnings)
    }

    /// A warning about an adapter in the folder.
    fn adapter_warning(&self) -> Option<String> {
        let file = ADAPTER
            .into_iter()
            .find(|file| self.path.join(file).is_file())?;
        Some(format!(
            "{} holds an adapter ({file}), which is not applied: to use it, merge it into the model first",
            self.path.display()
        ))
    }
}

/// The first names, and how many more there are.
fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        rest => format!("{first} and {rest} more"),
    }
}
