//! What can go wrong when a module is split or measured.

use thiserror::Error;

use crate::importance_measure::ImportanceMeasure;

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
    /// A share was given for targets that are not there.
    #[error(
        "a share is given for {pattern:?}, which none of the {} targets matches; they are: {}",
        targets.len(),
        abbreviate(targets)
    )]
    NoTargetOfShare {
        /// The pattern that selects nothing.
        pattern: String,
        /// Paths of all targets.
        targets: Vec<String>,
    },
    /// A weight that is split stands at several places of a module.
    #[error(
        "layer {layer:?} is also {also:?}: an optimizer would move one of the two alone; keep one \
         parameter and use it twice, or split the module as it is now"
    )]
    Shared {
        /// Path of the layer.
        layer: String,
        /// Another path of the same parameter.
        also: String,
    },
    /// No layer of the module is a linear layer that is split by default.
    #[error(
        "the module has no linear layer but output heads: name the weights to split by patterns; its \
         rank-2 parameters are: {}",
        abbreviate(available)
    )]
    NoLinearLayer {
        /// Paths of all rank-2 parameters of the module.
        available: Vec<String>,
    },
    /// Nothing that was selected can train.
    #[error(
        "nothing is left to train of the {} selected weights: they are frozen (`require_grad` is off) \
         or stand at several places of the module: {}",
        targets.len(),
        abbreviate(targets)
    )]
    NothingTrains {
        /// Paths of the selected weights.
        targets: Vec<String>,
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
    /// More directions were to be protected than a layer has.
    #[error(
        "{directions} directions were to be protected in layer {layer:?}, which has {available}: \
         take fewer, or a share"
    )]
    TooManyDirections {
        /// Path of the layer.
        layer: String,
        /// The number as given.
        directions: usize,
        /// Directions that can be protected.
        available: usize,
    },
    /// A weight holds NaN or infinite values, before it is split or after it was trained.
    #[error(
        "layer {layer:?} is broken: {count} of its {total} values are not finite, the first at row \
         {row}, column {column}; load an earlier checkpoint"
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
    /// A target weight is so large that what is computed from it leaves the range of its numbers.
    #[error(
        "layer {layer:?} holds values up to {largest:e}: its norm is above {limit:e}, and sums of its \
         values would overflow; scale the module first"
    )]
    OutOfScale {
        /// Path of the layer.
        layer: String,
        /// The largest value.
        largest: f64,
        /// What the norm must not exceed.
        limit: f64,
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
    /// A target weight is stored as something else than plain numbers.
    #[error(
        "layer {layer:?} is stored as {dtype}; OSFT trains weights in f64, f32, f16 or bf16: cast the \
         module first"
    )]
    UnsupportedDType {
        /// Path of the layer.
        layer: String,
        /// The precision found.
        dtype: String,
    },
    /// A saved split has numbers of a type that a device has not.
    #[error(
        "the split has numbers in {dtype}, which this backend does not fully support: take another \
         backend, or split a module of f32"
    )]
    NotOnDevice {
        /// The type.
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
    /// What a calibrator was given does not fit a layer.
    #[error("layer {layer:?} was observed with {what} of shape {found:?} instead of {expected:?}")]
    OtherObservation {
        /// Path of the layer.
        layer: String,
        /// Inputs or outputs.
        what: &'static str,
        /// Shape expected.
        expected: [usize; 2],
        /// Shape found.
        found: [usize; 2],
    },
    /// A layer was observed with other layers than before.
    #[error(
        "layer {layer:?} was observed with other layers than before: name the layers that share an \
         input together, and the same ones in every call"
    )]
    Regrouped {
        /// Path of the layer.
        layer: String,
    },
    /// The inputs of a layer, or its outputs, hold NaN or infinite values.
    #[error(
        "layer {layer:?} saw inputs, or gave outputs, that are not finite: the module or the \
         calibration data is broken"
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
    /// A bound of what has changed since the base model would leave a layer out.
    #[error(
        "how far the outputs of layer {layer:?} moved is not known, so nothing bounds them: split \
         with a calibration in the context, and record the leaks of that split; a layer whose values \
         are no numbers has no bound either"
    )]
    Unbounded {
        /// Path of the first such layer.
        layer: String,
    },
    /// Two calibrations hold the inputs of a layer in different ways.
    #[error(
        "the inputs of layer {layer:?} are held as a sketch of other size, or as no sketch, in one of the \
         two calibrations: measure both with the same `Calibrator::with_sketch`"
    )]
    OtherSketch {
        /// Path of the first such layer.
        layer: String,
    },
    /// A source of calibration data was given a weight that is none.
    #[error("source weight {weight} must be positive, from 1e-100 to 1e100")]
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
    /// A split meets a module that it was not made from.
    #[error(
        "layer {layer:?} of the split is not in the module, or not with shape [{d_in}, {d_out}]: \
         take the module that was split"
    )]
    OtherModule {
        /// Path of the layer in the split.
        layer: String,
        /// Input dimension in the split.
        d_in: usize,
        /// Output dimension in the split.
        d_out: usize,
    },
    /// A module has something attached to its parameters, so that there is no one weight to split.
    #[error(
        "{attached:?} is attached to parameter {layer:?}: merge it first (`Osft::finish`, or \
         `Module::materialize` for adapters), or throw it away (`Osft::discard`)"
    )]
    Reparameterized {
        /// Path of the first such parameter.
        layer: String,
        /// Name of what is attached.
        attached: String,
    },
    /// A module trains, or does not, by another split than this one.
    #[error(
        "layer {layer:?} does not train by this split{}: prepare the module with it first, and finish \
         or discard what another split prepared",
        name.as_ref().map(|name| format!(" ({name:?})")).unwrap_or_default()
    )]
    NotPrepared {
        /// Path of the first layer that has not what this split attaches.
        layer: String,
        /// Name of the split, if it has one.
        name: Option<String>,
    },
    /// A parameter was frozen, or unfrozen, after the module was split.
    #[error(
        "parameter {parameter:?} was {} when the module was split and is {} now, so it could not be \
         given back as it was: freeze and unfreeze before the split, or split again",
        if *trained { "trained" } else { "frozen" },
        if *trained { "frozen" } else { "trained" }
    )]
    TrainabilityChanged {
        /// Path of the parameter.
        parameter: String,
        /// Whether it was trained.
        trained: bool,
    },
    /// What trained beside the targets cannot be taken back.
    #[error(
        "parameters beside the targets were trained too (`Others::Trained`), and what they were is \
         not kept: keep a clone of the module before it trains"
    )]
    OthersTrained,
    /// An optimizer moves matrices alone, and not everything that trains is one.
    #[error(
        "{optimizer} moves matrices alone, and {parameter:?} is none: take another optimizer, or {cure}"
    )]
    MatricesOnly {
        /// The optimizer.
        optimizer: &'static str,
        /// What is not a matrix.
        parameter: String,
        /// What else can be done.
        cure: &'static str,
    },
}

/// The first paths of a list, so that a large model does not flood the terminal.
fn abbreviate(paths: &[String]) -> String {
    const SHOWN: usize = 8;
    match paths {
        [] => "(none)".to_string(),
        [shown @ .., _] if shown.len() >= SHOWN => format!("{}, …", paths[..SHOWN].join(", ")),
        _ => paths.join(", "),
    }
}
