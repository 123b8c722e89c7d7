//! The survey of a module: its matrices with their paths, and its attachments.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Device, Tensor};

use crate::error::OsftError;

/// A rank-2 parameter of a module.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The first path of a shared parameter.
    pub path: String,
    pub id: ParamId,
    /// `[d_in, d_out]`; maybe transposed while the parameter is uninitialized, see
    /// [`has_shape`](Self::has_shape).
    pub shape: [usize; 2],
    initialized: bool,
    /// Without autodiff.
    pub device: Device,
    /// Whether it belongs directly to a `burn::nn::Linear`.
    pub in_linear: bool,
    /// Another path of the same parameter, if it is shared.
    pub also: Option<String>,
}

impl Place {
    /// Whether the parameter has this shape, or may have it once it is initialized: until then, Burn reports
    /// the stored shape, which may be transposed.
    pub(crate) fn has_shape(&self, shape: [usize; 2]) -> bool {
        let [rows, columns] = self.shape;
        shape == [rows, columns] || (!self.initialized && shape == [columns, rows])
    }
}

/// A reparameterization that is attached to a parameter.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    /// Path of the parameter.
    pub path: String,
    /// Name of the reparameterization.
    pub name: String,
    /// Identities of its parameters.
    pub parts: Vec<ParamId>,
}

/// The matrices and attachments of a module. No value is read, so uninitialized parameters stay
/// uninitialized.
#[derive(Clone, Debug, Default)]
pub(crate) struct Survey {
    pub matrices: Vec<Place>,
    pub attachments: Vec<Attachment>,
}

/// Burn's container type for the parameters of a reparameterization.
const ATTACHED: &str = "Reparameterization";

impl Survey {
    pub(crate) fn of<M: Module>(module: &M) -> Self {
        let mut walk = Walk::default();
        module.visit(&mut walk);
        walk.survey
    }

    /// Finds a parameter: by its identity, which also works in a module that became part of another one,
    /// otherwise by its path, which also works after weights were loaded. A parameter with one of
    /// `identities` is never found by its path.
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
        self.attachments
            .iter()
            .find(|attachment| attachment.path == path)
    }

    /// # Errors
    ///
    /// [`OsftError::Reparameterized`] if anything is attached to any parameter.
    pub(crate) fn refuse_attachments(&self) -> Result<(), OsftError> {
        match self.attachments.first() {
            None => Ok(()),
            Some(attachment) => Err(OsftError::Reparameterized {
                layer: attachment.path.clone(),
                attached: attachment.name.clone(),
            }),
        }
    }
}

#[derive(Default)]
struct Walk {
    paths: Paths,
    containers: Vec<String>,
    survey: Survey,
    index_of: HashMap<ParamId, usize>,
}

impl ModuleVisitor for Walk {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        if container_type == ATTACHED {
            self.survey.attachments.push(Attachment {
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
        let Some(path) = self.paths.outside_attachments() else {
            if let Some(attachment) = self.survey.attachments.last_mut() {
                attachment.parts.push(param.id);
            }
            return;
        };
        if let Some(&first) = self.index_of.get(&param.id) {
            self.survey.matrices[first].also.get_or_insert(path);
        } else if let [d_in, d_out] = param.lazy_shape().as_slice() {
            self.index_of.insert(param.id, self.survey.matrices.len());
            self.survey.matrices.push(Place {
                path,
                id: param.id,
                shape: [*d_in, *d_out],
                initialized: param.is_initialized(),
                device: param.lazy_device().inner(),
                in_linear: self.containers.last().is_some_and(|k| k == "Struct:Linear"),
                also: None,
            });
        }
    }
}

/// Tracks the path during a walk over the parameters of a module, and whether the walk is inside an
/// attachment.
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

    /// The current path; `None` inside an attachment.
    pub(crate) fn outside_attachments(&self) -> Option<String> {
        (self.attached == 0).then(|| self.joined())
    }

    fn joined(&self) -> String {
        self.path.join(".")
    }
}

/// Values of rank-2 parameters, attachments included, by identity and without gradients. Vectors become one
/// row, quantized values are dequantized.
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

/// The types of all initialized parameters.
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
