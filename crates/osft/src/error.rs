//! What can go wrong when a module is split or measured.

use thiserror::Error;

use crate::ImportanceMeasure;

/// Errors of splitting a module and of measuring it afterwards.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OsftError {
    /// A target pattern is not a valid regular expression.
    #[error("target pattern {pattern:?} is not a regular expression: {reason}")]
    InvalidPattern {
        /// The pattern as given.
        pattern: String,
        /// The regular-expression engine's reason.
        reason: String,
    },
    /// A target pattern matches no rank-2 parameter of the module.
    #[error(
        "target pattern {pattern:?} matches none of the {} rank-2 parameters of the module; \
         they are: {}",
        available.len(),
        abbreviate(available)
    )]
    NoTarget {
        /// The pattern that selects nothing.
        pattern: String,
        /// Paths of all rank-2 parameters of the module.
        available: Vec<String>,
    },
    /// No target pattern was given.
    #[error("no target pattern was given: name at least one, for instance `weight$`")]
    NoPattern,
    /// A protected share is outside `[0, 1]`.
    #[error("protected share {share} is outside [0, 1]: 0 protects nothing, 1 freezes the layer")]
    ShareOutOfRange {
        /// The share as given.
        share: f64,
    },
    /// A target weight holds NaN or infinite values.
    #[error(
        "layer {layer:?} cannot be split: {count} of its {total} values are not finite, the first \
         at row {row}, column {column}; load an earlier checkpoint"
    )]
    NonFinite {
        /// Path of the layer.
        layer: String,
        /// How many values are NaN or infinite.
        count: usize,
        /// How many values the weight holds.
        total: usize,
        /// Row (input index) of the first such value.
        row: usize,
        /// Column (output index) of the first such value.
        column: usize,
    },
    /// A target weight has no directions to split.
    #[error("layer {layer:?} of shape [{d_in}, {d_out}] is empty and cannot be split")]
    Empty {
        /// Path of the layer.
        layer: String,
        /// Input dimension.
        d_in: usize,
        /// Output dimension.
        d_out: usize,
    },
    /// A target weight is stored in a precision that cannot hold small steps.
    #[error(
        "layer {layer:?} is stored as {dtype}; OSFT trains f32 or f64 weights: cast the module first"
    )]
    UnsupportedDType {
        /// Path of the layer.
        layer: String,
        /// The precision found.
        dtype: String,
    },
    /// Weights were to be held in bf16 on a device that has none.
    #[error(
        "the weights are to be held in bf16, which this backend does not fully support: take another \
         backend, or full precision"
    )]
    NoBf16,
    /// Weights were to be held in bf16 in a form whose factors start from them.
    #[error(
        "the factored forms cannot hold the weights in bf16: base and factors would not add up to \
         the weight; take the core or the weight form, or full precision"
    )]
    FactoredBf16,
    /// The singular value decomposition of a target weight did not converge.
    #[error("the singular value decomposition of layer {layer:?} did not converge")]
    NoConvergence {
        /// Path of the layer.
        layer: String,
    },
    /// A source or a rule looks at the layers' inputs, and nothing is known of them.
    #[error(
        "this split looks at the inputs of the layers: calibrate first (see `Calibrator`) and \
         split with the calibration in its context"
    )]
    NotCalibrated,
    /// A rule weighs the layers by a measure that the calibration pass did not take.
    #[error(
        "this split weighs the layers by their {measure}, which the calibration did not measure: \
         calibrate with it (see `Calibrator::with_importance`)"
    )]
    NotMeasured {
        /// What was not measured.
        measure: ImportanceMeasure,
    },
    /// A target was never observed by the calibration pass.
    #[error("layer {layer:?} was not observed: pass every target's inputs to the calibrator")]
    NotObserved {
        /// Path of the layer.
        layer: String,
    },
    /// The inputs of a layer hold NaN or infinite values.
    #[error(
        "layer {layer:?} saw inputs that are not finite: the module or the calibration data is \
         broken"
    )]
    NonFiniteInputs {
        /// Path of the layer.
        layer: String,
    },
    /// A calibration belongs to another module, or to other targets.
    #[error(
        "the calibration does not fit layer {layer:?}: it was made from another module, or for \
         other targets"
    )]
    OtherCalibration {
        /// Path of the first layer that does not fit.
        layer: String,
    },
    /// A source of calibration data was given a weight that is none.
    #[error("source weight {weight} must be positive and finite")]
    InvalidSourceWeight {
        /// The weight as given.
        weight: f64,
    },
    /// A saved state has another version of the layout.
    #[error(
        "the saved {kind} has format version {found}, this version reads {supported}: make it \
         anew, or use the version that wrote it"
    )]
    OtherFormat {
        /// What was saved.
        kind: &'static str,
        /// Version found.
        found: u32,
        /// Version that can be read.
        supported: u32,
    },
    /// Bytes are not the saved state they should be.
    #[error("not a saved {kind}: {reason}")]
    BrokenState {
        /// What was expected.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A module is measured against a split that was not made from it.
    #[error(
        "layer {layer:?} of the split is not in the module, or not with shape [{d_in}, {d_out}]: \
         measure the module that was split"
    )]
    OtherModule {
        /// Path of the layer in the split.
        layer: String,
        /// Input dimension in the split.
        d_in: usize,
        /// Output dimension in the split.
        d_out: usize,
    },
}

/// The first paths of a list, so that a large model does not flood the terminal.
fn abbreviate(paths: &[String]) -> String {
    const SHOWN: usize = 8;
    let mut text = paths
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if paths.len() > SHOWN {
        text.push_str(", …");
    }
    if paths.is_empty() {
        text.push_str("(none)");
    }
    text
}
