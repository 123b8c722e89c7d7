//! Assigns stored tensors to parameters, before any tensor is read.

use std::collections::BTreeSet;
use std::path::Path;

use burn::module::Module;
use burn::store::{bridge, burn_pack};
use burn::tensor::TensorData;

use super::checkpoint::Checkpoint;
use super::parameters::{Expected, expected};
use super::tied::Tied;
use crate::error::LmError;
use crate::model::FolderFormat;

/// The tensors that fill a module.
pub(super) struct Plan {
    /// One tensor for every parameter, under its path in the module.
    pub tensors: Vec<burn_pack::Tensor>,
    /// Biases that no file contains; they are set to 0.
    pub zero: Vec<String>,
    /// Names of unread tensors, without those that other tools ignore too.
    pub unread: Vec<String>,
    expected: Vec<Expected>,
    /// Prefix of tensor names in the files, except for the output head's.
    prefix: &'static str,
    /// Name of the output head's tensor.
    head: &'static str,
}

impl Plan {
    /// Finds a tensor for every parameter of a module.
    ///
    /// # Errors
    ///
    /// [`LmError::MissingTensors`] if a parameter has no tensor; [`LmError::Weights`] if a tensor has another
    /// shape or is not of a floating-point type.
    pub(super) fn of<M: Module>(
        module: &M,
        checkpoint: &Checkpoint,
        format: &FolderFormat,
        tied: &Tied,
        folder: &Path,
    ) -> Result<Self, LmError> {
        let expected = expected(module);
        // A file that contains the blocks alone has names without the prefix.
        let is_bare = |e: &Expected| e.name != format.head && checkpoint.contains(&e.name);
        let mut plan = Self {
            tensors: Vec::new(),
            zero: Vec::new(),
            unread: Vec::new(),
            prefix: match expected.iter().any(is_bare) {
                true => "",
                false => format.prefix,
            },
            head: format.head,
            expected,
        };
        let (mut missing, mut read) = (Vec::new(), BTreeSet::new());
        for parameter in &plan.expected {
            let stored = match parameter.name.as_str() {
                name if name == format.head => tied.head.clone(),
                name if format.embeddings.first() == Some(&name) => tied.embedding.clone(),
                name => checkpoint.source(name),
            };
            match stored {
                Some(stored) => {
                    plan.tensors.push(tensor(checkpoint, &stored, parameter)?);
                    read.insert(stored);
                }
                None if parameter.is_bias => {
                    plan.tensors.push(zeros(parameter));
                    plan.zero.push(plan.file_name(parameter));
                }
                None => missing.push(plan.file_name(parameter)),
            }
        }
        if !missing.is_empty() {
            return Err(LmError::MissingTensors {
                folder: folder.to_path_buf(),
                names: missing,
            });
        }
        read.extend(tied.copies.iter().cloned());
        let stored = checkpoint.tensors.keys();
        let unread = stored.filter(|name| !read.contains(*name) && !(format.is_leftover)(name));
        plan.unread = unread.cloned().collect();
        Ok(plan)
    }

    /// The name in the files of the parameter at a path of the module.
    pub(super) fn name_of(&self, path: &str) -> String {
        let parameter = self.expected.iter().find(|e| e.path == path);
        parameter.map_or_else(|| path.to_string(), |found| self.file_name(found))
    }

    /// A parameter's name in the files, even if they lack it.
    fn file_name(&self, parameter: &Expected) -> String {
        let name = &parameter.name;
        match name == self.head {
            true => name.clone(),
            false => format!("{}{name}", self.prefix),
        }
    }
}

/// A stored tensor for a parameter.
fn tensor(
    checkpoint: &Checkpoint,
    stored: &str,
    parameter: &Expected,
) -> Result<burn_pack::Tensor, LmError> {
    let tensor = &checkpoint.tensors[stored];
    let dtype = tensor.float(stored)?;
    if tensor.shape != parameter.shape {
        return Err(LmError::Weights {
            path: tensor.file.clone(),
            reason: format!(
                "tensor {stored} has shape {:?} where config.json calls for {:?}",
                tensor.shape, parameter.shape
            ),
        });
    }
    Ok(tensor.deferred(parameter.path.clone(), dtype))
}

fn zeros(parameter: &Expected) -> burn_pack::Tensor {
    let data = TensorData::zeros::<f32, _>(parameter.shape.clone());
    bridge::from_data(data, parameter.path.clone(), None)
}
