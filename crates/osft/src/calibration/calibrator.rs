//! The calibration pass: running sums over the inputs of every target.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use burn::module::{Module, ParamId};
use burn::tensor::Tensor;

use super::importance::linear_cka;
use super::moment::Moment;
use super::observation::{Cosines, fits};
use super::sums::Sums;
use super::symmetric::SINGLE_FROM;
use super::{Calibration, LayerCalibration, Rows, Source, prepared};
use crate::config::{MomentConfig, OsftConfig, Targets, TokenLength};
use crate::error::OsftError;
use crate::importance_measure::{ImportanceMeasure, LayerMeasurements, Reads};
use crate::module::{Place, Survey, weights, widened};

/// Largest input dimension, by default, whose second moment is stored as a matrix: 67 MB while it is observed, 34 MB then.
pub(crate) const MAX_DENSE_DIMENSION: usize = 4096;
/// Rows of the sketch, by default, that replaces the exact moment above [`MAX_DENSE_DIMENSION`].
pub(crate) const SKETCH_ROWS: usize = 512;

/// Bytes of the second moment of inputs in f32 of this dimension, as a [`Calibrator`] without
/// [`with_sketch`](Calibrator::with_sketch) stores it: while it observes, and once it is finished.
pub fn moment_bytes(dimension: usize) -> [usize; 2] {
    let entries = dimension * (dimension + 1) / 2;
    if dimension > MAX_DENSE_DIMENSION {
        let rows = SKETCH_ROWS * dimension * 8;
        // Up to twice as many rows before they are reduced.
        [2 * rows, rows]
    } else if dimension >= SINGLE_FROM {
        [8 * entries, 4 * entries]
    } else {
        [8 * entries, 8 * entries]
    }
}

/// Accumulates the input statistics of a module's targets.
///
/// Run the module over the data that is to be retained and call [`observe`](Self::observe) for every target.
/// [`finish`](Self::finish) turns the sums into a [`Calibration`]. The calibrator stores sums, never
/// activations, and one matrix for all layers that share an input.
///
/// ```
/// use burn::{module::Module, nn::LinearConfig, tensor::{Device, Distribution, Tensor}};
/// use osft::{Calibrator, Osft, OsftConfig, ShareRule, SplitSource, SplitContext};
///
/// # fn main() -> Result<(), osft::OsftError> {
/// let device = Device::flex();
/// let layer = LinearConfig::new(8, 4).with_bias(false).init(&device);
/// let config = OsftConfig::new()
///     .with_split(SplitSource::Inputs)
///     .with_share_rule(ShareRule::energy(0.95));
///
/// let mut calibrator = Calibrator::for_config(&layer, &config)?;
/// for _ in 0..4 {
///     let x = Tensor::<2>::random([32, 8], Distribution::Default, &device);
///     let y = layer.forward(x.clone());
///     calibrator.observe(&x, &[(layer.weight.id, y)])?;
/// }
/// let calibration = calibrator.finish("base", &layer)?;
///
/// let context = SplitContext::new().with_calibration(&calibration);
/// let osft = Osft::split_in(&layer, &config, &context)?;
/// assert!(osft.layers()[0].k_in < 8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Calibrator {
    targets: Targets,
    pub(super) places: HashMap<ParamId, Place>,
    groups: Vec<Sums>,
    group_of: HashMap<ParamId, usize>,
    /// The measures of importance.
    pub(super) measures: Vec<ImportanceMeasure>,
    /// The cosines of each layer, if a measure reads them.
    cosines: HashMap<ParamId, Cosines>,
    /// Sum over rows of the squared gradients of each layer, and the number of rows.
    pub(super) gradients: HashMap<ParamId, (f64, usize)>,
    /// Whether the second moments of the gradients are measured.
    pub(super) moments_of_gradients: bool,
    /// Sums over the rows of each layer's gradients.
    pub(super) gradient_sums: HashMap<ParamId, Sums>,
    pub(super) max_dense_dimension: usize,
    pub(super) sketch_rows: usize,
    /// Whether sums stay on the device over many passes.
    pub(super) on_device: bool,
    /// How the inputs are summed.
    pub(super) moment: MomentConfig,
    /// The rows that the inputs are of, if they were announced.
    pub(super) rows: Rows,
}

impl Calibrator {
    /// Starts a pass that measures only the input moments of a module's targets.
    ///
    /// # Errors
    ///
    /// [`OsftError::NoTarget`] if a pattern selects nothing, [`OsftError::NoLinearLayer`] if the module has
    /// no linear layer to split, [`OsftError::InvalidPattern`] for a pattern that is not a regular
    /// expression, [`OsftError::NoPattern`] for an empty list of patterns.
    pub fn new<M: Module>(module: &M, targets: &Targets) -> Result<Self, OsftError> {
        let places = targets.places(&Survey::of(module))?;
        Ok(Self {
            targets: targets.clone(),
            places: places.into_iter().map(|place| (place.id, place)).collect(),
            groups: Vec::new(),
            group_of: HashMap::new(),
            measures: Vec::new(),
            cosines: HashMap::new(),
            gradients: HashMap::new(),
            moments_of_gradients: false,
            gradient_sums: HashMap::new(),
            max_dense_dimension: MAX_DENSE_DIMENSION,
            sketch_rows: SKETCH_ROWS,
            on_device: false,
            moment: MomentConfig::default(),
            rows: None,
        })
    }

    /// Starts a pass that measures everything that a split with this configuration reads.
    ///
    /// # Errors
    ///
    /// The errors of [`new`](Self::new).
    pub fn for_config<M: Module>(module: &M, config: &OsftConfig) -> Result<Self, OsftError> {
        let mut calibrator = Self::new(module, &config.targets)?.with_moment(config.moment);
        calibrator.moments_of_gradients = config.split.needs_gradients();
        let measures = config.importance_measures().into_iter();
        Ok(measures.fold(calibrator, Self::with_importance))
    }

    /// Also measures the importance of the layers, which [`ShareRule::adaptive`](crate::ShareRule::adaptive)
    /// reads. Call it once for each measure.
    ///
    /// The cosine costs a few sums over every output. Linear CKA costs some matrix products per layer in
    /// [`finish`](Self::finish), the Fisher trace a backward pass for every row
    /// ([`observe_gradients`](Self::observe_gradients)).
    pub fn with_importance(mut self, measure: ImportanceMeasure) -> Self {
        if !self.measures.contains(&measure) {
            self.measures.push(measure);
        }
        self
    }

    pub(super) fn reads(&self, what: Reads) -> bool {
        self.measures.iter().any(|measure| measure.reads() == what)
    }

    /// Stores the second moment of inputs wider than `max_dense_dimension` as a sketch of `sketch_rows` rows.
    /// The defaults are 4096 and 512.
    pub fn with_sketch(mut self, max_dense_dimension: usize, sketch_rows: usize) -> Self {
        self.max_dense_dimension = max_dense_dimension;
        self.sketch_rows = sketch_rows;
        self
    }

    /// Adds a batch of inputs, with the output (without bias) of every layer that takes them. Layers that are
    /// not targets are ignored. Leave out padding tokens. The module itself does not change.
    ///
    /// Pass all layers that share an input in one call, and the same group of layers in every call.
    ///
    /// # Shapes
    /// - `input`: `[n, d_in]`
    /// - outputs: `[n, d_out]`
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherObservation`] if an input or an output does not have the shape of its layer, or if
    /// their numbers of rows differ; [`OsftError::Regrouped`] if a layer is passed with other layers than
    /// before; [`OsftError::OtherRows`] if first tokens are to be told apart and the inputs are not those of
    /// the [announced](Self::begin_rows) rows. On error nothing is added.
    pub fn observe(
        &mut self,
        input: &Tensor<2>,
        outputs: &[(ParamId, Tensor<2>)],
    ) -> Result<(), OsftError> {
        let outputs = outputs.iter();
        let outputs = outputs.filter_map(|(id, output)| Some((self.places.get(id)?, output)));
        let outputs: Vec<(&Place, &Tensor<2>)> = outputs.collect();
        let Some((first, _)) = outputs.first() else {
            return Ok(());
        };
        let [rows, dimension] = input.dims();
        let group = self.group_of.get(&first.id).copied();
        let dimension_before = group.map(|group| self.groups[group].dimension());
        for (place, output) in &outputs {
            fits(place, dimension_before, [rows, dimension], output.dims())?;
        }
        if let Some(place) = self.regrouped(group, &outputs) {
            return Err(OsftError::Regrouped {
                layer: place.path.clone(),
            });
        }
        if rows == 0 {
            return Ok(());
        }
        let input = widened(input.clone().inner());
        let Some(tokens) = prepared(input.clone(), &self.moment, &self.rows) else {
            return Err(OsftError::OtherRows {
                layer: first.path.clone(),
                announced: self.rows.as_ref().map(|rows| rows.iter().sum()),
                tokens: rows,
            });
        };
        let group = group.unwrap_or_else(|| {
            let sums = Sums::new(self.max_dense_dimension, self.sketch_rows, dimension);
            let sums = sums.with_moment(&self.moment);
            self.groups.push(sums.on_device(self.on_device));
            self.groups.len() - 1
        });
        let reads_outputs = self.reads(Reads::Outputs);
        let outputs: Vec<_> = outputs
            .into_iter()
            .map(|(place, y)| (place.id, y))
            .collect();
        for (id, output) in outputs {
            self.group_of.insert(id, group);
            if reads_outputs {
                let output = widened(output.clone().inner());
                let cosines = self.cosines.entry(id).or_default();
                cosines.add(input.clone(), output, self.on_device);
            }
        }
        self.groups[group].add_tokens(tokens);
        Ok(())
    }

    /// The first layer that is in `outputs` but not in the group, or in the group but not in `outputs`.
    fn regrouped<'a>(
        &'a self,
        group: Option<usize>,
        outputs: &[(&'a Place, &Tensor<2>)],
    ) -> Option<&'a Place> {
        let group_of = |place: &Place| self.group_of.get(&place.id).copied();
        let present: HashSet<ParamId> = outputs.iter().map(|(place, _)| place.id).collect();
        let mut outputs = outputs.iter().map(|(place, _)| *place);
        let outside = outputs.find(|place| group_of(place) != group);
        let missing = || {
            let mut places = self.places.values();
            places.find(|place| {
                group_of(place).is_some_and(|g| Some(g) == group) && !present.contains(&place.id)
            })
        };
        outside.or_else(missing)
    }

    /// Turns the sums into a calibration with one source of data called `name`.
    ///
    /// # Errors
    ///
    /// [`OsftError::NotObserved`] if a target was never observed, [`OsftError::NothingSummed`] if all of its
    /// inputs were first tokens that are left out, [`OsftError::NonFiniteInputs`] if its inputs or outputs are
    /// not finite, [`OsftError::NoGradients`] if the split or a measure of importance
    /// reads gradients and none were observed, the errors of [`new`](Self::new) and, if linear CKA is measured,
    /// [`OsftError::NonFinite`], [`OsftError::Empty`] and [`OsftError::UnsupportedDType`] for a weight that
    /// cannot be read.
    pub fn finish<M: Module>(mut self, name: &str, module: &M) -> Result<Calibration, OsftError> {
        let tokens = self.groups.iter().map(|sums| sums.rows).max().unwrap_or(0);
        let (reads_weight, reads_gradients) = (self.reads(Reads::Weight), self.reads_gradients());
        let summed: Vec<usize> = self.groups.iter().map(|sums| sums.rows).collect();
        let normalized = |sums: Sums| sums.normalized(self.moment.tokens);
        let moments = self.groups.into_iter().map(normalized);
        let moments: Vec<Arc<Moment>> = moments.map(Arc::new).collect();
        let mut layers = Vec::new();
        // Merged: the weights that the module computes with, including adapters and cores.
        let module = module.clone().materialize();
        let places = self.targets.places(&Survey::of(&module))?;
        for weight in weights(&module, &places) {
            let Some(&moment) = self.group_of.get(&weight.id) else {
                return Err(OsftError::NotObserved { layer: weight.path });
            };
            if !moments[moment].is_finite() {
                return Err(OsftError::NonFiniteInputs { layer: weight.path });
            }
            if summed[moment] == 0 {
                return Err(OsftError::NothingSummed {
                    layer: weight.path,
                    skip_first: self.moment.skip_first,
                });
            }
            let mean = |sums: &HashMap<ParamId, (f64, usize)>| {
                let (sum, count) = sums.get(&weight.id).copied().unwrap_or_default();
                sum / count.max(1) as f64
            };
            let linear_cka = match reads_weight {
                true => linear_cka(&moments[moment], &weight.to_host()?),
                false => 0.0,
            };
            let measured = LayerMeasurements {
                shape: weight.value.dims(),
                input_energy: moments[moment].trace(),
                mean_cosine: self.cosines.remove(&weight.id).map_or(0.0, Cosines::mean),
                linear_cka,
                squared_gradient: mean(&self.gradients),
            };
            if reads_gradients && !self.gradients.contains_key(&weight.id) {
                return Err(OsftError::NoGradients { layer: weight.path });
            }
            let scores = self.measures.iter().map(|measure| {
                let score = measure.score(&measured);
                (measure.name().to_string(), score)
            });
            let scores: BTreeMap<String, f64> = scores.collect();
            if scores.values().any(|score| !score.is_finite()) {
                return Err(OsftError::NonFiniteInputs { layer: weight.path });
            }
            let gradients = self.gradient_sums.remove(&weight.id);
            let gradients = gradients.map(|sums| Arc::new(sums.normalized(TokenLength::Own)));
            if gradients
                .as_ref()
                .is_some_and(|gradients| !gradients.is_finite())
            {
                return Err(OsftError::NonFiniteInputs { layer: weight.path });
            }
            layers.push(LayerCalibration {
                path: weight.path,
                moment,
                gradients,
                scores,
            });
        }
        Ok(Calibration {
            sources: vec![Source {
                name: name.to_string(),
                tokens,
                weight: 1.0,
            }],
            moments,
            layers,
            unions: Vec::new(),
            measured: self.moment.measured(),
        })
    }
}
