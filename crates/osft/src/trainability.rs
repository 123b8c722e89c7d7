//! Which parameters of a module train, so that it can be given back as it was.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::survey::Paths;

/// Which parameters of a module train: `require_grad` of every float parameter, what is attached to others
/// not counted.
///
/// A record of a module as it is, for giving it back so after something else froze and unfroze parts of it.
/// Burn keeps what is configured also where it takes no effect, on a device without autodiff and in
/// validation; that is what counts here.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trainability {
    by_path: BTreeMap<String, Recorded>,
    /// Paths by identity, which also find a parameter of a module that became part of another. Not
    /// saved: in another process identities are others.
    #[serde(skip)]
    path_of: HashMap<ParamId, String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// Whether the module's owner lets it train.
    pub trains: bool,
    pub dimensions: usize,
}

impl Trainability {
    /// That of a module. Parameters that were built and not filled are filled.
    pub fn of<M: Module>(module: &M) -> Self {
        Self::recorded(module, true)
    }

    /// That of the parameters that are filled.
    pub(crate) fn of_filled<M: Module>(module: &M) -> Self {
        Self::recorded(module, false)
    }

    fn recorded<M: Module>(module: &M, fill: bool) -> Self {
        let mut record = Recorder {
            paths: Paths::new(),
            fill,
            found: Self::default(),
        };
        module.visit(&mut record);
        record.found
    }

    pub(crate) fn get(&self, id: ParamId, path: &str) -> Option<Recorded> {
        let known = self.path_of.get(&id).map(String::as_str);
        self.by_path.get(known.unwrap_or(path)).copied()
    }

    /// Whether a parameter trains; one that is not known does.
    pub(crate) fn trains(&self, id: ParamId, path: &str) -> bool {
        self.get(id, path).is_none_or(|recorded| recorded.trains)
    }

    /// All parameters that train, by path.
    pub(crate) fn trained(&self) -> impl Iterator<Item = (&str, Recorded)> {
        let all = self.by_path.iter();
        all.filter(|(_, recorded)| recorded.trains)
            .map(|(path, recorded)| (path.as_str(), *recorded))
    }

    /// The first parameter of a later record that trains and did not, or the other way round, with
    /// whether it did.
    pub(crate) fn changed_in(&self, now: &Self) -> Option<(String, bool)> {
        let changed = now.path_of.iter().filter_map(|(id, path)| {
            let before = self.get(*id, path)?;
            let after = now.by_path.get(path)?;
            (before.trains != after.trains).then(|| (path.clone(), before.trains))
        });
        changed.min()
    }

    /// The module with every parameter training or not, as it did when the record was made. Parameters are
    /// found by their identity or, where that has changed, by their path; those that are not known, training
    /// flags and values stay as they are.
    pub fn restored<M: Module>(&self, module: M) -> M {
        set(module, |id, path| Some(self.get(id, path)?.trains))
    }
}

/// Whether a parameter is configured to train, on a device with autodiff or without.
fn is_trained<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    let value = param.base();
    match value.is_autodiff() {
        true => value.is_require_grad(),
        // Elsewhere Burn keeps the configuration and shows it where it takes effect.
        false => param.clone().train().base().is_require_grad(),
    }
}

struct Recorder {
    paths: Paths,
    fill: bool,
    found: Trainability,
}

impl ModuleVisitor for Recorder {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.paths.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(path) = self.paths.own() else {
            return;
        };
        if !self.fill && !param.is_initialized() {
            return;
        }
        let recorded = Recorded {
            trains: is_trained(param),
            dimensions: D,
        };
        self.found.by_path.insert(path.clone(), recorded);
        self.found.path_of.entry(param.id).or_insert(path);
    }
}

/// The module with the gradients of parameters asked for or not, as `wanted` says of each by identity
/// and path. Training flags, values and what is attached stay as they are.
pub(crate) fn set<M: Module>(module: M, wanted: impl Fn(ParamId, &str) -> Option<bool>) -> M {
    module.map(&mut Set {
        paths: Paths::new(),
        wanted,
    })
}

struct Set<F> {
    paths: Paths,
    wanted: F,
}

impl<F: Fn(ParamId, &str) -> Option<bool>> ModuleMapper for Set<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.paths.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let wanted = self
            .paths
            .own()
            .and_then(|path| (self.wanted)(param.id, &path));
        match wanted {
            // Untouched where nothing changes: its place in a graph stays too. What one that is not filled
            // does is not known.
            Some(wanted) if !param.is_initialized() || wanted != is_trained(&param) => {
                param.set_require_grad(wanted)
            }
            _ => param,
        }
    }
}
