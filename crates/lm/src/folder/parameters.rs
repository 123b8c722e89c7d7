//! The parameters that a module expects in weight files, and a check that they are finite.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use super::HfFolder;

/// A parameter with its name and shape in weight files.
pub(super) struct Expected {
    /// Path in the module, under which a tensor is applied.
    pub path: String,
    /// Name in a file, without the family's prefix.
    pub name: String,
    /// Shape in a file.
    pub shape: Vec<usize>,
    /// Whether it belongs to a linear layer.
    pub is_linear: bool,
    /// Whether it is the bias of a linear layer, which a file may lack.
    pub is_bias: bool,
}

/// A linear layer, as adapters name it.
pub(crate) struct LinearLayer {
    /// Path of its weight in the module.
    pub path: String,
    /// Name of the layer in the folder's files, with the family's prefix.
    pub name: String,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
}

/// The linear layers of a module, which was built from `folder`.
pub(crate) fn linear_layers<M: Module>(folder: &HfFolder, module: &M) -> Vec<LinearLayer> {
    let format = folder.format();
    let prefix = format.map_or("", |format| format.prefix);
    let layer = |parameter: Expected| {
        let [d_out, d_in] = parameter.shape[..] else {
            return None;
        };
        let name = parameter.name.strip_suffix(".weight")?;
        let is_head = format.is_some_and(|format| format.head == parameter.name);
        (parameter.is_linear).then(|| LinearLayer {
            // The head stands outside of what the prefix names.
            name: match is_head {
                true => name.to_string(),
                false => format!("{prefix}{name}"),
            },
            path: parameter.path.clone(),
            shape: [d_in, d_out],
        })
    };
    expected(module).into_iter().filter_map(layer).collect()
}

/// Paths of the weights of the linear layers of a module, which was built from `folder`: an adapter can change
/// them.
pub fn linear_layer_paths<M: Module>(folder: &HfFolder, module: &M) -> Vec<String> {
    let layers = linear_layers(folder, module).into_iter();
    layers.map(|layer| layer.path).collect()
}

/// The parameters of a module, in the module's order. Does not initialize them.
pub(super) fn expected<M: Module>(module: &M) -> Vec<Expected> {
    let mut visitor = Visitor::default();
    module.visit(&mut visitor);
    visitor.found
}

#[derive(Default)]
struct Visitor {
    path: Vec<String>,
    containers: Vec<String>,
    found: Vec<Expected>,
}

impl ModuleVisitor for Visitor {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push(name.to_string());
        self.containers.push(container_type.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
        self.containers.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let owner = self.containers.last().map(String::as_str);
        let is_linear = owner == Some("Struct:Linear");
        let path = self.path.join(".");
        let mut shape = param.lazy_shape().to_vec();
        // Files store the matrix of a linear layer as [out, in], Burn as [in, out].
        if is_linear && shape.len() == 2 {
            shape.reverse();
        }
        let name = match path.strip_suffix(".gamma") {
            Some(norm) if owner == Some("Struct:RmsNorm") => format!("{norm}.weight"),
            _ => path.clone(),
        };
        self.found.push(Expected {
            is_linear,
            is_bias: is_linear && name.ends_with(".bias"),
            path,
            name,
            shape,
        });
    }
}

/// Path of the first parameter with a NaN or infinite value.
pub(super) fn first_not_finite<M: Module>(module: &M) -> Option<String> {
    #[derive(Default)]
    struct FirstNotFinite {
        path: Vec<String>,
        found: Option<String>,
    }
    impl ModuleVisitor for FirstNotFinite {
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
    let mut visitor = FirstNotFinite::default();
    module.visit(&mut visitor);
    visitor.found
}
