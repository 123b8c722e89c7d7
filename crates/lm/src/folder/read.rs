//! Weights from a folder into a model.

use burn::module::Module;
use burn::store::{FloatCastAdapter, ModuleAdapter, ModuleSnapshot, PyTorchToBurnAdapter};
use burn::tensor::{DType, Device};

use super::HfFolder;
use super::checkpoint::Checkpoint;
use super::parameters::first_not_finite;
use super::plan::Plan;
use super::tied;
use crate::error::LmError;
use crate::model::{FolderFormat, Pretrained};

/// Number of names that a warning lists before it counts the rest.
const LISTED: usize = 8;
/// Files of an adapter, which other tools apply to the model beside it.
const ADAPTER: [&str; 3] = [
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
];

/// A model as read from a folder.
#[derive(Clone, Debug)]
pub struct Loaded<M> {
    /// The model.
    pub model: M,
    /// What may be unexpected about the folder, in sentences; empty for most.
    pub warnings: Vec<String>,
}

impl HfFolder {
    /// Loads a model, its weights as f32: [`Model`](crate::Model) for whichever family the folder
    /// holds, or one family alone.
    ///
    /// Where files and `config.json` differ, the files win, as in transformers 5: an output head that is not
    /// the embeddings is used, whatever `tie_word_embeddings` says, and biases that the files lack are 0.
    /// Warnings tell of both, of unread tensors, of ignored keys of `config.json`, and of an adapter in the
    /// folder.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] for another family, [`LmError::MissingFile`],
    /// [`LmError::GitLfsPointer`], [`LmError::Weights`], [`LmError::DifferentCopies`] and
    /// [`LmError::MissingTensors`] if the weights are not all there, or not all finite.
    pub fn load<M: Pretrained>(&self, device: &Device) -> Result<Loaded<M>, LmError> {
        let path = self.path.join("config.json");
        // A model that cannot be built is refused before its weights are read.
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
        warnings.extend(self.adapter());
        Ok(Loaded { model, warnings })
    }

    /// Fills a module from the files; returns warnings about parameters and tensors that are left over.
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

    /// A warning about an adapter beside the model.
    fn adapter(&self) -> Option<String> {
        let file = ADAPTER
            .into_iter()
            .find(|file| self.path.join(file).is_file())?;
        Some(format!(
            "{} holds an adapter ({file}), which is not applied: to use it, merge it into the model first",
            self.path.display()
        ))
    }
}

/// The first of some names, and how many there are beside.
fn listed(names: &[String]) -> String {
    let first = names[..names.len().min(LISTED)].join(", ");
    match names.len().saturating_sub(LISTED) {
        0 => first,
        rest => format!("{first} and {rest} more"),
    }
}
