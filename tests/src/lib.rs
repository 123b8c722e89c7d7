//! What the tests across crates share: backends, reference fixtures, tensor files.

#![allow(clippy::unwrap_used)] // A helper of tests fails as a test does: by panicking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use safetensors::{Dtype, SafeTensors};

/// The CPU backends, by name.
pub fn backends() -> Vec<(&'static str, Device)> {
    #[allow(deprecated)] // Burn 0.22 announces its removal; it is the reference backend here.
    let ndarray = Device::ndarray();
    vec![("ndarray", ndarray), ("flex", Device::flex())]
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file or folder of reference numbers, below `OSFT_FIXTURES` (default `../shared/fixtures`
/// beside the repository).
///
/// `None`, with a line that says so, where it is missing: the calling test is skipped. With
/// `OSFT_REQUIRE_FIXTURES=1` a missing one fails.
pub fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("OSFT_FIXTURES")
        .map_or_else(|| repository().join("../shared/fixtures"), PathBuf::from);
    require(root.join(name))
}

/// A pretrained model in the cache of fetched models (`OSFT_MODEL_CACHE`); as [`fixture`].
pub fn fetched_model(name: &str) -> Option<PathBuf> {
    let cache = std::env::var_os("OSFT_MODEL_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/osft-models"));
    require(cache.or(home)?.join(name))
}

fn require(path: PathBuf) -> Option<PathBuf> {
    if path.exists() {
        return Some(path);
    }
    let required = std::env::var("OSFT_REQUIRE_FIXTURES").is_ok_and(|v| v == "1");
    assert!(!required, "required fixture {} is missing", path.display());
    eprintln!("skipped: no fixture {}", path.display());
    None
}

/// A JSON file.
pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The tensors of a safetensors file as `(shape, values)`.
pub fn tensors(path: &Path) -> BTreeMap<String, (Vec<usize>, Vec<f64>)> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let data = view.data();
            let values = match view.dtype() {
                Dtype::F32 => data
                    .chunks(4)
                    .map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())))
                    .collect(),
                Dtype::I64 => data
                    .chunks(8)
                    .map(|b| i64::from_le_bytes(b.try_into().unwrap()) as f64)
                    .collect(),
                other => panic!("unexpected {other:?} in {}", path.display()),
            };
            (name.to_string(), (view.shape().to_vec(), values))
        })
        .collect()
}

/// L2 norm of every gradient, by parameter path.
pub fn gradient_norms<M: Module>(module: &M, grads: &GradientsParams) -> BTreeMap<String, f64> {
    let norm = |gradient: Vec<f64>| gradient.iter().map(|v| v * v).sum::<f64>().sqrt();
    let all = visited(module, grads).into_iter();
    all.map(|(path, _, gradient)| (path, norm(gradient)))
        .collect()
}

/// Every gradient in the layout of files, by the name that the parameter has there without a prefix.
pub fn gradients<M: Module>(module: &M, grads: &GradientsParams) -> BTreeMap<String, Vec<f64>> {
    let all = visited(module, grads).into_iter();
    let in_file = |(path, width, gradient): (String, Option<usize>, Vec<f64>)| {
        let transposed = width.map(|width| {
            let column = |column| gradient.iter().copied().skip(column).step_by(width);
            (0..width).flat_map(column).collect()
        });
        (
            path.replace("gamma", "weight"),
            transposed.unwrap_or(gradient),
        )
    };
    all.map(in_file).collect()
}

/// Path, number of columns of the matrix of a linear layer (which files store transposed), and gradient of every
/// parameter that has one.
fn visited<M: Module>(
    module: &M,
    grads: &GradientsParams,
) -> Vec<(String, Option<usize>, Vec<f64>)> {
    struct Gradients<'a> {
        path: Vec<String>,
        containers: Vec<String>,
        grads: &'a GradientsParams,
        found: Vec<(String, Option<usize>, Vec<f64>)>,
    }
    impl ModuleVisitor for Gradients<'_> {
        fn enter_module(&mut self, name: &str, container_type: &str) {
            self.path.push(name.to_string());
            self.containers.push(container_type.to_string());
        }
        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.path.pop();
            self.containers.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let Some(grad) = self.grads.get::<D>(param.id) else {
                return;
            };
            let is_linear = self.containers.last().is_some_and(|c| c == "Struct:Linear");
            let width = (is_linear && D == 2).then(|| grad.dims()[1]);
            let values = grad.into_data().iter::<f64>().collect();
            self.found.push((self.path.join("."), width, values));
        }
    }
    let mut visitor = Gradients {
        path: Vec::new(),
        containers: Vec::new(),
        grads,
        found: Vec::new(),
    };
    module.visit(&mut visitor);
    visitor.found
}
