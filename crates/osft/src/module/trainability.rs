//! A record of which parameters of a module train, to restore it later.

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::module::Paths;

/// Which parameters of a module train: `require_grad` of every float parameter, without attachments.
///
/// Record it to restore a module after other code has frozen or unfrozen parts of it. The configured value
/// counts; Burn keeps it even where it has no effect, on a device without autodiff and in validation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Trainability {
    by_path: BTreeMap<String, Recorded>,
    /// Paths of every parameter by identity, which also find it in a module that became part of another one.
    /// Not saved, since identities differ in another process.
    #[serde(skip)]
    paths_of: HashMap<ParamId, Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// Whether `require_grad` is on.
    pub trains: bool,
    pub dimensions: usize,
}

impl Trainability {
    /// Records which parameters of a module train. Uninitialized parameters are initialized.
    pub fn of<M: Module>(module: &M) -> Self {
        let mut recorder = Recorder::new(true);
        module.visit(&mut recorder);
        recorder.record
    }

    /// Restores the recorded `require_grad` of every parameter. Parameters are found by their identity or, if
    /// that has changed, by their path. Parameters without a record do not change, and neither do training
    /// flags and values.
    pub fn restored<M: Module>(&self, module: M) -> M {
        let recorded = self.recorded_in(&module);
        set(module, |id, path| Some(recorded.get(id, path)?.trains))
    }

    /// The record, matched with the parameters of a module.
    pub(crate) fn recorded_in<M: Module>(&self, module: &M) -> RecordedIn<'_> {
        let mut identities = Identities::default();
        module.visit(&mut identities);
        RecordedIn {
            record: self,
            present: identities.paths_of.into_keys().collect(),
        }
    }

    /// The same record with the identities of the parameters that a module has at the recorded paths.
    pub(crate) fn identified_by<M: Module>(mut self, module: &M) -> Self {
        let mut identities = Identities::default();
        module.visit(&mut identities);
        self.paths_of = identities.paths_of;
        for paths in self.paths_of.values_mut() {
            paths.retain(|path| self.by_path.contains_key(path));
        }
        self.paths_of.retain(|_, paths| !paths.is_empty());
        self
    }

    /// The same record, with these parameters as trainable.
    pub(crate) fn with_trained<'a>(mut self, paths: impl Iterator<Item = &'a str>) -> Self {
        for path in paths {
            if let Some(recorded) = self.by_path.get_mut(path) {
                recorded.trains = true;
            }
        }
        self
    }

    /// All trainable parameters, by path.
    pub(crate) fn trained(&self) -> impl Iterator<Item = (&str, Recorded)> {
        let all = self.by_path.iter();
        all.filter(|(_, recorded)| recorded.trains)
            .map(|(path, recorded)| (path.as_str(), *recorded))
    }

    /// The first initialized parameter of a module that differs from `wanted`, with the wanted value. A
    /// parameter for which `wanted` returns `None` does not count.
    pub(crate) fn first_mismatch<M: Module>(
        module: &M,
        wanted: impl Fn(ParamId, &str) -> Option<bool>,
    ) -> Option<(String, bool)> {
        let mut recorder = Recorder::new(false);
        module.visit(&mut recorder);
        let paths = recorder.record.paths_of.iter();
        let parameters = paths.flat_map(|(id, paths)| paths.iter().map(move |path| (*id, path)));
        let mismatches = parameters.filter_map(|(id, path)| {
            let wanted = wanted(id, path)?;
            let recorded = recorder.record.by_path.get(path)?;
            (recorded.trains != wanted).then(|| (path.clone(), wanted))
        });
        mismatches.min()
    }
}

/// A record, matched with a module.
pub(crate) struct RecordedIn<'a> {
    record: &'a Trainability,
    /// Identities in the module.
    present: HashSet<ParamId>,
}

impl RecordedIn<'_> {
    /// The record of a parameter: by identity, and at this path if it had several; otherwise by path, unless
    /// the parameter that was recorded there is elsewhere in the module.
    pub(crate) fn get(&self, id: ParamId, path: &str) -> Option<Recorded> {
        let record = self.record;
        if let Some(paths) = record.paths_of.get(&id) {
            let same = paths.iter().find(|recorded| *recorded == path);
            return record.by_path.get(same.or(paths.first())?).copied();
        }
        let moved = (record.paths_of.iter())
            .any(|(id, paths)| self.present.contains(id) && paths.iter().any(|p| p == path));
        match moved {
            true => None,
            false => record.by_path.get(path).copied(),
        }
    }

    /// Whether a parameter is trainable; true for a parameter without a record.
    pub(crate) fn trains(&self, id: ParamId, path: &str) -> bool {
        self.get(id, path).is_none_or(|recorded| recorded.trains)
    }
}

/// Whether a parameter is configured to train, on a device with autodiff or without. Its tensor does not
/// tell: after a move to another device it is not a leaf.
pub(crate) fn is_trained<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    param.valid().train().base().is_require_grad()
}

/// Paths of the parameters of a module, by identity. Initializes nothing.
#[derive(Default)]
struct Identities {
    paths: Paths,
    paths_of: HashMap<ParamId, Vec<String>>,
}

impl ModuleVisitor for Identities {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.paths.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(path) = self.paths.outside_attachments() {
            self.paths_of.entry(param.id).or_default().push(path);
        }
    }
}

struct Recorder {
    paths: Paths,
    fill: bool,
    record: Trainability,
}

impl Recorder {
    fn new(fill: bool) -> Self {
        Self {
            paths: Paths::default(),
            fill,
            record: Trainability::default(),
        }
    }
}

impl ModuleVisitor for Recorder {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.paths.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, container_type: &str) {
        self.paths.exit(container_type);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(path) = self.paths.outside_attachments() else {
            return;
        };
        if !self.fill && !param.is_initialized() {
            return;
        }
        let recorded = Recorded {
            trains: is_trained(param),
            dimensions: D,
        };
        self.record.by_path.insert(path.clone(), recorded);
        self.record.paths_of.entry(param.id).or_default().push(path);
    }
}

/// Sets `require_grad` of every parameter for which `wanted`, given identity and path, returns a value.
/// Training flags, values and attachments do not change.
pub(crate) fn set<M: Module>(module: M, wanted: impl Fn(ParamId, &str) -> Option<bool>) -> M {
    module.map(&mut Set {
        paths: Paths::default(),
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
        let path = self.paths.outside_attachments();
        let wanted = path.and_then(|path| (self.wanted)(param.id, &path));
        match wanted {
            Some(wanted) => with_gradients(param, wanted),
            None => param,
        }
    }
}

/// Sets `require_grad` of a parameter. A parameter that has the value already is returned unchanged, so that
/// it keeps its place in a graph.
pub(crate) fn with_gradients<const D: usize>(
    param: Param<Tensor<D>>,
    wanted: bool,
) -> Param<Tensor<D>> {
    match param.is_initialized() {
        // The current value of an uninitialized parameter is unknown. The mapper separates it from its
        // clones, which must not change.
        false => param.init_mapper(|value| value).set_require_grad(wanted),
        true if wanted == is_trained(&param) => param,
        // After a move to another device, the tensor is not a leaf until it is detached.
        true => param.map(Tensor::detach).set_require_grad(wanted),
    }
}
