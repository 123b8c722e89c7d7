//! Weights from a folder into a model.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{
    ApplyError, FloatCastAdapter, ModuleAdapter, ModuleSnapshot, PyTorchToBurnAdapter,
    SafetensorsStore,
};
use burn::tensor::{DType, Device, Tensor};

use super::HfFolder;
use super::shards::weight_files;
use crate::{LmError, Pretrained};

/// A model as read from a folder.
#[derive(Clone, Debug)]
pub struct Loaded<M> {
    /// The model.
    pub model: M,
    /// What about the folder may not be what its user expects, in sentences; empty for most.
    pub warnings: Vec<String>,
}

impl HfFolder {
    /// Loads a model, its weights as f32: [`Model`](crate::Model) for whichever family the folder
    /// holds, or one family alone.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] for another family, [`LmError::MissingFile`],
    /// [`LmError::Weights`] and [`LmError::MissingTensors`] if the weights are not all there, or not
    /// all finite.
    pub fn load<M: Pretrained>(&self, device: &Device) -> Result<Loaded<M>, LmError> {
        let mut model = M::from_config(&self.config, &self.path.join("config.json"), device)?;
        self.load_weights(&mut model)?;
        match first_not_finite(&model) {
            None => Ok(Loaded {
                model,
                warnings: Vec::new(),
            }),
            Some(name) => Err(LmError::Weights {
                path: self.path.clone(),
                reason: format!("tensor {name} holds values that are not finite"),
            }),
        }
    }

    /// Fills a module whose parameter paths are the checkpoint's, less a leading `model.`.
    fn load_weights<M: Module>(&self, module: &mut M) -> Result<(), LmError> {
        let mut missing: Option<BTreeSet<String>> = None;
        for file in weight_files(&self.path)? {
            let failed = |reason: String| LmError::Weights {
                path: file.clone(),
                reason,
            };
            let mut store = SafetensorsStore::from_file(&file)
                .with_key_remapping(r"^model\.(.*)$", "$1")
                .with_from_adapter(PyTorchToBurnAdapter.chain(FloatCastAdapter::to(DType::F32)))
                .allow_partial(true)
                .validate(false);
            let result = module
                .load_from(&mut store)
                .map_err(|error| failed(error.to_string()))?;
            if let Some(error) = result.errors.first() {
                return Err(failed(describe(error)));
            }
            let absent: BTreeSet<String> =
                result.missing.into_iter().map(|(path, _)| path).collect();
            missing = Some(match missing {
                Some(before) => before.intersection(&absent).cloned().collect(),
                None => absent,
            });
        }
        let names: Vec<String> = missing.unwrap_or_default().into_iter().collect();
        if names.is_empty() {
            Ok(())
        } else {
            Err(LmError::MissingTensors {
                folder: self.path.clone(),
                names,
            })
        }
    }
}

/// Path of the first parameter with a NaN or an infinity.
fn first_not_finite<M: Module>(module: &M) -> Option<String> {
    #[derive(Default)]
    struct Look {
        path: Vec<String>,
        found: Option<String>,
    }
    impl ModuleVisitor for Look {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.path.push(name.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let finite = || {
                param
                    .val()
                    .is_finite()
                    .all()
                    .into_data()
                    .iter::<bool>()
                    .all(|all| all)
            };
            if self.found.is_none() && !finite() {
                self.found = Some(self.path.join("."));
            }
        }
    }
    let mut look = Look::default();
    module.visit(&mut look);
    look.found
}

fn describe(error: &ApplyError) -> String {
    match error {
        ApplyError::ShapeMismatch {
            path,
            expected,
            found,
        } => format!(
            "tensor {path} has shape {:?} (read as [in, out]) where config.json calls for {:?}",
            found.to_vec(),
            expected.to_vec()
        ),
        other => other.to_string(),
    }
}
