//! Which parameters of a module are split: selection by path, and their values on the host.

use std::collections::HashSet;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType, Tensor};
use faer::Mat;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::OsftError;

/// Regular expressions over parameter paths such as `layers.0.self_attn.q_proj.weight`.
///
/// A parameter is a target if *any* pattern is found in its path; every pattern must match at
/// least one rank-2 parameter, since one that selects nothing is a misspelling.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TargetPatterns(Vec<String>);

impl TargetPatterns {
    /// Patterns from anything that yields strings.
    pub fn new<S: Into<String>>(patterns: impl IntoIterator<Item = S>) -> Self {
        Self(patterns.into_iter().map(Into::into).collect())
    }

    /// The patterns as given.
    pub fn patterns(&self) -> &[String] {
        &self.0
    }

    /// The parameters of a module that the patterns select, in its order.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::InvalidPattern`],
    /// [`OsftError::NoPattern`].
    pub fn selected<M: Module>(&self, module: &M) -> Result<Vec<SelectedTarget>, OsftError> {
        let patterns = self.compile()?;
        let mut shapes = Shapes::default();
        module.visit(&mut shapes);
        let all = shapes.found;
        for (pattern, regex) in &patterns {
            if !all.iter().any(|matrix| regex.is_match(&matrix.path)) {
                return Err(OsftError::NoTarget {
                    pattern: (*pattern).to_string(),
                    available: all.into_iter().map(|matrix| matrix.path).collect(),
                });
            }
        }
        let chosen = |matrix: &SelectedTarget| {
            let mut patterns = patterns.iter();
            patterns.any(|(_, regex)| regex.is_match(&matrix.path))
        };
        Ok(all.into_iter().filter(chosen).collect())
    }

    /// Checks that every pattern is a regular expression and that there is one.
    pub(crate) fn validate(&self) -> Result<(), OsftError> {
        self.compile().map(|_| ())
    }

    fn compile(&self) -> Result<Vec<(&str, Regex)>, OsftError> {
        if self.0.is_empty() {
            return Err(OsftError::NoPattern);
        }
        self.0
            .iter()
            .map(|pattern| match Regex::new(pattern) {
                Ok(regex) => Ok((pattern.as_str(), regex)),
                Err(error) => Err(OsftError::InvalidPattern {
                    pattern: pattern.clone(),
                    reason: error.to_string(),
                }),
            })
            .collect()
    }
}

/// A parameter that was selected.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedTarget {
    /// Its path in the module.
    pub path: String,
    /// Its identity.
    pub id: ParamId,
    /// `[d_in, d_out]`
    pub shape: [usize; 2],
}

/// A rank-2 parameter of a module, detached from any graph.
#[derive(Clone)]
pub(crate) struct Weight {
    pub path: String,
    pub id: ParamId,
    /// `[d_in, d_out]`
    pub value: Tensor<2>,
    /// The value in the precision that a split holds it in, which is what is split; see
    /// [`BasePrecision`](crate::BasePrecision).
    pub held: Tensor<2>,
}

impl Weight {
    /// What a change is measured against: the weight as it is held where a core trains in its place.
    pub(crate) fn start(&self, has_core: bool) -> Tensor<2> {
        match has_core {
            true => self.held.clone(),
            false => self.value.clone(),
        }
    }

    /// The values that are split, checked to be finite.
    pub(crate) fn to_host(&self) -> Result<Mat<f64>, OsftError> {
        let [d_in, d_out] = self.value.dims();
        if d_in == 0 || d_out == 0 {
            let layer = self.path.clone();
            return Err(OsftError::Empty { layer, d_in, d_out });
        }
        let unsupported = |dtype: DType| OsftError::UnsupportedDType {
            layer: self.path.clone(),
            dtype: format!("{dtype:?}"),
        };
        let dtype = self.value.dtype();
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(unsupported(dtype));
        }
        let data = self.held.clone().into_data();
        match data.as_slice::<f64>() {
            Ok(values) => self.matrix(values),
            // bf16 too, which f32 holds.
            Err(_) => {
                let data = data.convert::<f32>();
                self.matrix(data.as_slice::<f32>().map_err(|_| unsupported(dtype))?)
            }
        }
    }

    /// Straight from what the tensor holds: a copy of a large weight in f64 is large itself.
    fn matrix<T: Copy + Into<f64>>(&self, values: &[T]) -> Result<Mat<f64>, OsftError> {
        let [d_in, d_out] = self.value.dims();
        let is_broken = |value: &T| !Into::<f64>::into(*value).is_finite();
        match values.iter().position(is_broken) {
            None => Ok(Mat::from_fn(d_in, d_out, |i, j| {
                values[i * d_out + j].into()
            })),
            Some(first) => Err(OsftError::NonFinite {
                layer: self.path.clone(),
                count: values.iter().filter(|value| is_broken(value)).count(),
                total: values.len(),
                row: first / d_out,
                column: first % d_out,
            }),
        }
    }
}

/// All rank-2 float parameters of a module, in visiting order.
pub(crate) fn weights<M: Module>(module: &M) -> Vec<Weight> {
    values(module, &|_| true)
}

/// The rank-2 parameters that the patterns select.
pub(crate) fn select<M: Module>(
    module: &M,
    patterns: &TargetPatterns,
) -> Result<Vec<Weight>, OsftError> {
    let targets = patterns.selected(module)?;
    let ids: HashSet<ParamId> = targets.iter().map(|target| target.id).collect();
    Ok(values(module, &|id| ids.contains(&id)))
}

/// Shapes alone: parameters of a module that was built and not filled stay without values.
#[derive(Default)]
struct Shapes {
    path: Vec<String>,
    found: Vec<SelectedTarget>,
}

impl ModuleVisitor for Shapes {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let shape = param.lazy_shape();
        if let [d_in, d_out] = shape.as_slice() {
            self.found.push(SelectedTarget {
                path: self.path.join("."),
                id: param.id,
                shape: [*d_in, *d_out],
            });
        }
    }
}

fn values<M: Module>(module: &M, wanted: &dyn Fn(ParamId) -> bool) -> Vec<Weight> {
    let mut collector = Collector {
        path: Vec::new(),
        wanted,
        weights: Vec::new(),
    };
    module.visit(&mut collector);
    collector.weights
}

struct Collector<'a> {
    path: Vec<String>,
    wanted: &'a dyn Fn(ParamId) -> bool,
    weights: Vec<Weight>,
}

impl ModuleVisitor for Collector<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if D != 2 || !(self.wanted)(param.id) {
            return;
        }
        let value = param.val().inner();
        let dims = value.dims();
        let value = value.reshape([dims[0], dims[1]]);
        self.weights.push(Weight {
            path: self.path.join("."),
            id: param.id,
            held: value.clone(),
            value,
        });
    }
}
