//! Which parameters of a module train, so that it can be given back as it was.

use std::collections::{BTreeMap, HashMap, HashSet};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::module::Paths;

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
    /// Where a parameter stands, which also finds it in a module that became part of another. Not saved: in
    /// another process identities are others.
    #[serde(skip)]
    paths_of: HashMap<ParamId, Vec<String>>,
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
        let mut record = Recorder::new(true);
        module.visit(&mut record);
        record.found
    }

    /// The module with every parameter training or not, as it did when the record was made. Parameters are
    /// found by their identity or, where that has changed, by their path; those without a record stay as
    /// they are, and so do training flags and values.
    pub fn restored<M: Module>(&self, module: M) -> M {
        let recorded = self.recorded_in(&module);
        set(module, |id, path| Some(recorded.get(id, path)?.trains))
    }

    /// What is recorded of the parameters of a module.
    pub(crate) fn recorded_in<M: Module>(&self, module: &M) -> RecordedIn<'_> {
        let mut identities = Identities::default();
        module.visit(&mut identities);
        RecordedIn {
            record: self,
            present: identities.paths_of.into_keys().collect(),
        }
    }

    /// The same, by the identities of the parameters at the recorded paths of a module.
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

    /// The same with these parameters trained.
    pub(crate) fn with_trained<'a>(mut self, paths: impl Iterator<Item = &'a str>) -> Self {
        for path in paths {
            if let Some(recorded) = self.by_path.get_mut(path) {
                recorded.trains = true;
            }
        }
        self
    }

    /// All parameters that train, by path.
    pub(crate) fn trained(&self) -> impl Iterator<Item = (&str, Recorded)> {
        let all = self.by_path.iter();
        all.filter(|(_, recorded)| recorded.trains)
            .map(|(path, recorded)| (path.as_str(), *recorded))
    }

    /// The first parameter of a module that is filled and does not train as `wanted` says, with whether it
    /// should; parameters of which nothing is said do not count.
    pub(crate) fn first_other<M: Module>(
        module: &M,
        wanted: impl Fn(ParamId, &str) -> Option<bool>,
    ) -> Option<(String, bool)> {
        let mut record = Recorder::new(false);
        module.visit(&mut record);
        let paths = record.found.paths_of.iter();
        let others = paths.flat_map(|(id, paths)| paths.iter().map(move |path| (*id, path)));
        let others = others.filter_map(|(id, path)| {
            let wanted = wanted(id, path)?;
            let found = record.found.by_path.get(path)?;
            (found.trains != wanted).then(|| (path.clone(), wanted))
        });
        others.min()
    }
}

/// A record beside a module.
pub(crate) struct RecordedIn<'a> {
    record: &'a Trainability,
    /// Identities in the module.
    present: HashSet<ParamId>,
}

impl RecordedIn<'_> {
    /// What is recorded of a parameter: of its identity, at that path if it stood at several; or of its path,
    /// unless what stood there is elsewhere in the module.
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

    /// Whether a parameter trains; one without a record does.
    pub(crate) fn trains(&self, id: ParamId, path: &str) -> bool {
        self.get(id, path).is_none_or(|recorded| recorded.trains)
    }
}

/// Whether a parameter is configured to train, on a device with autodiff or without. Not what its tensor
/// says: that of a parameter that was moved to another device is no leaf.
pub(crate) fn is_trained<const D: usize>(param: &Param<Tensor<D>>) -> bool {
    param.valid().train().base().is_require_grad()
}

/// Paths of the parameters of a module by their identity; nothing is filled.
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
        if let Some(path) = self.paths.own() {
            self.paths_of.entry(param.id).or_default().push(path);
        }
    }
}

struct Recorder {
    paths: Paths,
    fill: bool,
    found: Trainability,
}

impl Recorder {
    fn new(fill: bool) -> Self {
        Self {
            paths: Paths::default(),
            fill,
            found: Trainability::default(),
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
        self.found.paths_of.entry(param.id).or_default().push(path);
    }
}

/// The module with the gradients of parameters asked for or not, as `wanted` says of each by identity
/// and path. Training flags, values and what is attached stay as they are.
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
        let path = self.paths.own();
        let wanted = path.and_then(|path| (self.wanted)(param.id, &path));
        match wanted {
            Some(wanted) => with_gradients(param, wanted),
            None => param,
        }
    }
}

/// The parameter, trained or not; untouched where it is so, since its place in a graph stays then too.
pub(crate) fn with_gradients<const D: usize>(
    param: Param<Tensor<D>>,
    wanted: bool,
) -> Param<Tensor<D>> {
    match param.is_initialized() {
        // What one that is not filled does is not known; and its clones would do the same from now on.
        false => param.init_mapper(|value| value).set_require_grad(wanted),
        true if wanted == is_trained(&param) => param,
        // Of a parameter that was moved to another device the tensor is no leaf, until it is cut off.
        true => param.map(Tensor::detach).set_require_grad(wanted),
    }
}
