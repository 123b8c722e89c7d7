//! What a module holds: its matrices with their places, what trains, and what is attached.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};

use crate::error::OsftError;

/// A rank-2 parameter of a module.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The first path where it stands at several.
    pub path: String,
    pub id: ParamId,
    /// `[d_in, d_out]`; of a parameter that is not filled yet maybe the other way round, see
    /// [`has_shape`](Self::has_shape).
    pub shape: [usize; 2],
    filled: bool,
    /// Without autodiff.
    pub device: Device,
    /// Whether it belongs directly to a `burn::nn::Linear`.
    pub in_linear: bool,
    /// Another path of the same parameter.
    pub also: Option<String>,
}

impl Place {
    /// Whether the parameter has that shape, or may have it once it is filled: of one that is stored
    /// transposed, Burn says until then how it is stored.
    pub(crate) fn has_shape(&self, shape: [usize; 2]) -> bool {
        let [rows, columns] = self.shape;
        shape == [rows, columns] || (!self.filled && shape == [columns, rows])
    }
}

/// What is attached to a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// Path of the parameter.
    pub path: String,
    /// Name of the kind of reparameterization.
    pub name: String,
    /// Parameters that it consists of.
    pub parts: Vec<ParamId>,
}

/// Everything that the shapes of a module say; no value is looked at, so parameters that were built
/// and not filled stay without.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub matrices: Vec<Place>,
    pub attachments: Vec<Attachment>,
}

/// What Burn calls the container of a reparameterization's parameters.
const ATTACHED: &str = "Reparameterization";

impl Survey {
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut walk = Walk::default();
        module.visit(&mut walk);
        walk.found
    }

    /// Where a parameter is: by its identity, which also finds it in a module that became part of
    /// another, else by its path, which also finds it in a module whose weights were loaded; but not what
    /// is found by its identity, one of `identities`, already.
    pub(crate) fn find(
        &self,
        id: ParamId,
        path: &str,
        identities: &HashSet<ParamId>,
    ) -> Option<&Place> {
        let mut matrices = self.matrices.iter();
        let at_path = || {
            let mut matrices = self.matrices.iter();
            matrices.find(|place| place.path == path && !identities.contains(&place.id))
        };
        matrices.find(|place| place.id == id).or_else(at_path)
    }

    pub(crate) fn attachment(&self, path: &str) -> Option<&Attachment> {
        self.attachments.iter().find(|found| found.path == path)
    }

    /// # Errors
    ///
    /// [`OsftError::Reparameterized`] if anything is attached to any parameter.
    pub(crate) fn refuse_attachments(&self) -> Result<(), OsftError> {
        match self.attachments.first() {
            None => Ok(()),
            Some(found) => Err(OsftError::Reparameterized {
                layer: found.path.clone(),
                attached: found.name.clone(),
            }),
        }
    }
}

#[derive(Default)]
struct Walk {
    paths: Paths,
    containers: Vec<String>,
    found: Survey,
    index_of: HashMap<ParamId, usize>,
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == ATTACHED {
            self.found.attachments.push(Attachment {
                path: self.paths.joined(),
                name: name.to_string(),
                parts: Vec::new(),
            });
        }
        self.paths.enter(name, container_type);
        self.containers.push(container_type.to_string());
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(path) = self.paths.own() else {
            if let Some(attachment) = self.found.attachments.last_mut() {
                attachment.parts.push(param.id);
            }
            return;
        };
        if let Some(&first) = self.index_of.get(&param.id) {
            self.found.matrices[first].also.get_or_insert(path);
        } else if let [d_in, d_out] = param.lazy_shape().as_slice() {
            self.index_of.insert(param.id, self.found.matrices.len());
            self.found.matrices.push(Place {
                path,
                id: param.id,
                shape: [*d_in, *d_out],
                filled: param.is_initialized(),
                device: param.lazy_device().inner(),
                in_linear: self.containers.last().is_some_and(|k| k == "Struct:Linear"),
                also: None,
            });
        }
    }
}

/// Runs over the float parameters of a module, with their paths and whether they are part of what is
/// attached to another.
#[derive(Default)]
pub(crate) struct Paths {
    path: Vec<String>,
    attached: usize,
}

impl Paths {
    pub(crate) fn enter(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_string());
        self.attached += usize::from(container_type == ATTACHED);
    }

    pub(crate) fn exit(&mut self, container_type: &str) {
        self.path.pop();
        self.attached -= usize::from(container_type == ATTACHED);
    }

    /// The path, unless it is one of what is attached.
    pub(crate) fn own(&self) -> Option<String> {
        (self.attached == 0).then(|| self.joined())
    }

    fn joined(&self) -> String {
        self.path.join(".")
    }
}

/// Values of rank-2 parameters, those that are attached included, by identity and without gradients.
pub(crate) fn values<M: Module>(
    module: &M,
    wanted: &HashSet<ParamId>,
) -> HashMap<ParamId, Tensor<2>> {
    let mut collector = Values {
        wanted,
        found: HashMap::new(),
    };
    module.visit(&mut collector);
    collector.found
}

struct Values<'a> {
    wanted: &'a HashSet<ParamId>,
    found: HashMap<ParamId, Tensor<2>>,
}

impl ModuleVisitor for Values<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D > 2 || !self.wanted.contains(&param.id) || self.found.contains_key(&param.id) {
            return;
        }
        let value = param.base().inner();
        let value = match value.dtype() {
            DType::QFloat(_) => value.dequantize(),
            _ => value,
        };
        // A vector as one row.
        let columns = value.dims().last().copied().unwrap_or(1);
        let rows = value.shape().num_elements().checked_div(columns);
        let value = value.reshape([rows.unwrap_or(0), columns]);
        self.found.insert(param.id, value);
    }
}

/// The type of a parameter's values; known once it is filled.
pub(crate) fn dtypes<M: Module>(module: &M) -> HashMap<ParamId, DType> {
    struct Types(HashMap<ParamId, DType>);
    impl ModuleVisitor for Types {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_initialized() {
                self.0.insert(param.id, param.base().dtype());
            }
        }
    }
    let mut types = Types(HashMap::new());
    module.visit(&mut types);
    types.0
}
