//! Leaks: the part of a change that lies in protected directions, and the effect of the change on the
//! measured inputs.

mod bound;
mod free_energy;
mod norm;
mod since_base;

use burn::module::Module;
use burn::tensor::Tensor;
use faer::Mat;
use serde::{Deserialize, Deserializer, Serialize};

use bound::{Changed, output_bound};
pub use free_energy::{FreeEnergy, FreeEnergyMeter};
use norm::norm;
pub use since_base::{LayerChange, SinceBase};

use crate::calibration::Moment;
use crate::error::OsftError;
use crate::form::composed;
use crate::linalg::to_host;
use crate::module::{Survey, changed, unit_roundoff, values, widened};
use crate::split::{LayerSplit, Osft, product, transposed};

/// Leak of one layer's change `ΔW` since the split. The leaks are ratios of Frobenius norms in `[0, 1]`. They
/// count what is protected exactly: if directions are [scaled](crate::Scaling), those with the scale 0, and no
/// leak (0) if there are none, whatever the change. What the other scales hold back shows in
/// [`outputs`](Self::outputs). They are 0 if the layer did not change by more than rounding, and NaN if it contains NaN or infinite values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LayerLeak {
    /// Path of the layer.
    pub path: String,
    /// `‖P_hᵀ ΔW‖ / ‖ΔW‖`: the part in protected inputs.
    #[serde(deserialize_with = "number")]
    pub leak_in: f64,
    /// `‖ΔW Q_h‖ / ‖ΔW‖`: the part in protected outputs.
    #[serde(deserialize_with = "number")]
    pub leak_out: f64,
    /// `‖P_hᵀ ΔW Q_h‖ / ‖ΔW‖`: the part in both.
    #[serde(deserialize_with = "number")]
    pub leak_both: f64,
    /// `‖ΔW‖ / ‖W‖`, relative to the weight at the split; `‖ΔW‖` if that weight is zero.
    #[serde(deserialize_with = "number")]
    pub relative_change: f64,
    /// Effect of the change on the calibrated inputs; `None` without a calibration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputChange>,
}

/// How far a change `ΔW` moves the outputs of a layer, over inputs `x` with the measured distribution.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct OutputChange {
    /// `E‖x ΔW‖² = tr(ΔWᵀ Σ ΔW)`. Where `Σ` is a sketch, it is at most this: the energy that the sketch may miss of every
    /// direction is counted as if the change met it, which can be several times the energy that it meets.
    #[serde(deserialize_with = "number")]
    pub measured: f64,
    /// Upper bound of `measured`: `(1 - ε) tr(Σ) ‖ΔW‖_F²` for a change inside the free input directions,
    /// where `ε` is the protected share of the inputs' energy. For a change that leaks,
    /// `(√((1 - ε) tr(Σ)) ‖N_Pᵀ ΔW‖ + √(ε tr(Σ)) ‖P_hᵀ ΔW‖)²`. The energy that a sketch may miss counts as
    /// unprotected, and so does a millionth of `tr(Σ)`, for the rounding of sums in f32.
    ///
    /// If directions are [scaled](crate::Scaling), `ΔW = V diag(p) C` is also bounded by its coordinates,
    /// `‖Σ^{1/2} V diag(p)‖² ‖C‖_F²`; the smaller bound counts.
    #[serde(deserialize_with = "number")]
    pub bound: f64,
    /// `√(E‖x ΔW‖² / E‖x W‖²)`, relative to the outputs at the split; `√(E‖x ΔW‖²)` if those are zero.
    #[serde(deserialize_with = "number")]
    pub relative: f64,
}

/// Reads `null` as NaN, since JSON has no NaN and writes it as `null`.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::NAN))
}

/// The larger number; NaN counts as larger than every number.
fn larger(a: f64, b: f64) -> f64 {
    match a.is_nan() || b.is_nan() {
        true => f64::NAN,
        false => a.max(b),
    }
}

impl OutputChange {
    /// The larger value of each figure. NaN counts as larger than every number.
    pub fn worst_of(self, other: Self) -> Self {
        Self {
            measured: larger(self.measured, other.measured),
            bound: larger(self.bound, other.bound),
            relative: larger(self.relative, other.relative),
        }
    }

    /// # Shapes
    /// - `change`: `[d_in, d_out]`
    pub(crate) fn new(moment: &Moment, change: &Mat<f64>, outputs: f64, bound: f64) -> Self {
        let hidden = moment.sketch_error() * change.squared_norm_l2();
        let measured = moment.energy_of(change) + hidden;
        Self {
            measured,
            bound,
            relative: (measured / if outputs > 0.0 { outputs } else { 1.0 }).sqrt(),
        }
    }
}

impl LayerLeak {
    /// The larger value of each figure; the path belongs to the larger one-sided leak. NaN counts as larger
    /// than every number.
    pub fn worst_of(self, other: Self) -> Self {
        let one_sided = |leak: &Self| larger(leak.leak_in, leak.leak_out);
        let (own, others) = (one_sided(&self), one_sided(&other));
        Self {
            leak_in: larger(self.leak_in, other.leak_in),
            leak_out: larger(self.leak_out, other.leak_out),
            leak_both: larger(self.leak_both, other.leak_both),
            relative_change: larger(self.relative_change, other.relative_change),
            path: match others > own || (others.is_nan() && !own.is_nan()) {
                true => other.path,
                false => self.path,
            },
            outputs: match (self.outputs, other.outputs) {
                (Some(own), Some(other)) => Some(own.worst_of(other)),
                (own, other) => own.or(other),
            },
        }
    }
}

/// Leaks of all targets of a split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LeakReport {
    /// One entry per target, in the module's order.
    pub layers: Vec<LayerLeak>,
}

impl LeakReport {
    /// The largest value of each figure over all layers; the path belongs to the largest one-sided leak.
    /// Without layers, all figures are 0.
    pub fn worst(&self) -> LayerLeak {
        let layers = self.layers.iter().cloned();
        layers.reduce(LayerLeak::worst_of).unwrap_or_default()
    }
}

impl Osft {
    /// Measures how much of every target's change since the split lies in its protected directions.
    ///
    /// If the module trains by this split, the measured weights are those that its cores or factors define,
    /// in the computation type. The leak is then the part that the form does not prevent, plus rounding in
    /// f32 (f64 in a module of f64) of some `2⁻²⁴ √steps ‖W‖ / ‖ΔW‖`. If the module was
    /// [finished](Osft::finish), the stored weights are measured: in f16 or bf16, rounding adds up to
    /// `u ‖W‖ / ‖ΔW‖`, with `u` = 2⁻¹¹ or 2⁻⁸, in protected and free directions alike.
    ///
    /// If the module trains by another split or with adapters, the merged weights (`Module::materialize`) are
    /// measured.
    ///
    /// # Errors
    ///
    /// [`OsftError::OtherModule`] if a target is not in the module.
    pub fn leaks<M: Module>(&self, module: &M) -> Result<LeakReport, OsftError> {
        let survey = Survey::of(module);
        let places = self.located(&survey)?;
        let trains_by_this = self.check_attached(&survey, &places).is_ok();
        let attached = self.layers.iter().flat_map(LayerSplit::attached_ids);
        let attached = attached.filter(|_| trains_by_this);
        let wanted = places.iter().map(|place| place.id).chain(attached);
        let wanted = wanted.collect();
        let mut now = match trains_by_this {
            true => values(module, &wanted),
            false => values(&module.clone().materialize(), &wanted),
        };
        let layers = self.layers.iter().zip(&places).map(|(layer, place)| {
            let base = now.remove(&place.id);
            let base = base.ok_or_else(|| layer.not_in_module())?;
            let ids = layer.attached_ids().into_iter();
            let parts = ids.map_while(|id| now.remove(&id)).collect();
            Ok(measure(layer, layer.effective(base, parts)))
        });
        Ok(LeakReport {
            layers: layers.collect::<Result<_, _>>()?,
        })
    }
}

impl LayerSplit {
    /// The effective weight: a stored value with its attachment applied, in the computation type.
    fn effective(&self, base: Tensor<2>, parts: Vec<Tensor<2>>) -> Tensor<2> {
        match (&parts[..], self.factors.is_some()) {
            ([core], false) => composed(&self.constraint, base, core.clone()),
            ([input, scale, output], true) => {
                let scale: Tensor<1> = scale.clone().flatten(0, 1);
                changed(base, product(input.clone(), scale, output.clone()))
            }
            _ => widened(base),
        }
    }
}

/// Measures the leak of one layer. A change that is not larger than rounding has no leak, since its direction
/// means nothing.
fn measure(layer: &LayerSplit, now: Tensor<2>) -> LayerLeak {
    let start = layer.start.clone().to_device(&now.device());
    let start = start.cast(now.dtype());
    let change = now.clone() - start.clone();
    let size = norm(change.clone());
    let reference = norm(start);
    let mut leak = LayerLeak {
        path: layer.path.clone(),
        relative_change: if reference > 0.0 {
            size / reference
        } else {
            size
        },
        ..LayerLeak::default()
    };
    if !size.is_finite() {
        (leak.leak_in, leak.leak_out, leak.leak_both) = (f64::NAN, f64::NAN, f64::NAN);
    } else if size > 0.0 {
        let constraint = layer.constraint.fitted(&change);
        let [input, output] = [&constraint.input, &constraint.output];
        let protected_in = input.protected_part(change.clone());
        let protected_out = output.protected_part(change.clone().transpose());
        let protected_both = protected_in
            .clone()
            .filter(|_| protected_out.is_some())
            .map(|part| transposed(part, |x| output.protected_part(x.clone()).unwrap_or(x)));
        let ratio = |part: Option<Tensor<2>>| part.map_or(0.0, |part| norm(part) / size);
        leak.leak_in = ratio(protected_in);
        leak.leak_out = ratio(protected_out);
        leak.leak_both = ratio(protected_both);
    }
    let leaked = leak.leak_in;
    if leak.relative_change <= unit_roundoff(now.dtype()) {
        (leak.leak_in, leak.leak_out, leak.leak_both) = (0.0, 0.0, 0.0);
    }
    let inputs = layer.inputs.as_ref();
    let calibrated = inputs.and_then(|inputs| Some((inputs, inputs.moment.as_ref()?)));
    leak.outputs = calibrated.map(|(inputs, moment)| {
        let change = to_host(&change);
        let changed = Changed {
            change: &change,
            size,
            leaked,
        };
        let bound = output_bound(layer, inputs, moment, &changed);
        OutputChange::new(moment, &change, inputs.outputs, bound)
    });
    leak
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn leak(path: &str, leak_in: f64, measured: f64) -> LayerLeak {
        LayerLeak {
            path: path.to_string(),
            leak_in,
            leak_out: 0.25,
            leak_both: leak_in / 2.0,
            relative_change: leak_in / 4.0,
            outputs: Some(OutputChange {
                measured,
                bound: 2.0 * measured,
                relative: measured / 8.0,
            }),
        }
    }

    #[test]
    fn worst_of_takes_the_larger_value_of_each_figure() {
        let worst = leak("a", 0.5, 3.0).worst_of(leak("b", 0.75, 2.0));
        let expected = LayerLeak {
            outputs: leak("a", 0.5, 3.0).outputs,
            ..leak("b", 0.75, 2.0)
        };
        assert_eq!(worst, expected);
        assert_eq!(leak("b", 0.75, 2.0).worst_of(leak("a", 0.5, 3.0)), expected);
        // Of equal leaks, the first path stays.
        assert_eq!(leak("a", 0.5, 1.0).worst_of(leak("b", 0.5, 1.0)).path, "a");
        let bare = LayerLeak {
            outputs: None,
            ..leak("c", 0.1, 0.0)
        };
        assert_eq!(bare.worst_of(leak("a", 0.5, 3.0)).outputs, expected.outputs);
    }

    #[test]
    fn nan_is_the_worst_leak_and_survives_json() {
        let broken = leak("broken", f64::NAN, f64::NAN);
        let report = LeakReport {
            layers: vec![leak("a", 0.9, 3.0), broken, leak("b", 1.0, 4.0)],
        };
        let worst = report.worst();
        assert_eq!(worst.path, "broken");
        assert!(worst.leak_in.is_nan() && worst.leak_both.is_nan());
        assert!(worst.relative_change.is_nan() && worst.leak_out == 0.25);
        let outputs = worst.outputs.unwrap();
        assert!(outputs.measured.is_nan() && outputs.bound.is_nan() && outputs.relative.is_nan());
        let json = serde_json::to_string(&report).unwrap();
        let read: LeakReport = serde_json::from_str(&json).unwrap();
        assert_eq!(read.layers[0], report.layers[0]);
        assert!(read.layers[1].leak_in.is_nan() && read.layers[1].outputs.unwrap().bound.is_nan());
    }
}
