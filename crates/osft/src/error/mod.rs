//! What can go wrong when a module is split or measured.

mod text;

use crate::importance_measure::ImportanceMeasure;

/// Errors of splitting a module and of measuring it afterwards.
#[derive(Debug)]
#[non_exhaustive]
pub enum OsftError {
    /// A target pattern is not a valid regular expression.
    InvalidPattern {
        /// The pattern as given.
        pattern: String,
        /// The regular-expression engine's reason.
        reason: String,
    },
    /// A target pattern matches no rank-2 parameter of the module.
    NoTarget {
        /// The pattern that selects nothing.
        pattern: String,
        /// Paths of all rank-2 parameters of the module.
        available: Vec<String>,
    },
    /// A share was given for targets that are not there.
    NoTargetOfShare {
        /// The pattern that selects nothing.
        pattern: String,
        /// Paths of all targets.
        targets: Vec<String>,
    },
    /// A weight that is split stands at several places of a module.
    Shared {
        /// Path of the layer.
        layer: String,
        /// Another path of the same parameter.
        also: String,
    },
    /// No layer of the module is a linear layer that is split by default.
    NoLinearLayer {
        /// Paths of all rank-2 parameters of the module.
        available: Vec<String>,
    },
    /// Nothing that was selected can train.
    NothingTrains {
        /// Paths of the selected weights.
        targets: Vec<String>,
    },
    /// No target pattern was given.
    NoPattern,
    /// A protected share is outside `[0, 1]`.
    ShareOutOfRange {
        /// The share as given.
        share: f64,
    },
    /// Settings name a rule for the protected share that no registry has.
    UnknownShareRule {
        /// The name as given.
        name: String,
        /// Names of the rules there are.
        available: Vec<String>,
    },
    /// What settings say of a rule for the protected share is none of its settings.
    InvalidShareSetting {
        /// Name of the rule.
        name: String,
        /// What is wrong with the setting.
        reason: String,
    },
    /// What was typed is no rule for the protected share.
    NoShare {
        /// The text, or the part of it that is wrong.
        text: String,
        /// What can be typed.
        expected: String,
    },
    /// More directions were to be protected than a layer has.
    TooManyDirections {
        /// Path of the layer.
        layer: String,
        /// The number as given.
        directions: usize,
        /// Directions that can be protected.
        available: usize,
    },
    /// A weight holds NaN or infinite values, before it is split or after it was trained.
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
    OutOfScale {
        /// Path of the layer.
        layer: String,
        /// The largest value.
        largest: f64,
        /// What the norm must not exceed.
        limit: f64,
    },
    /// A target weight has no directions to split.
    Empty {
        /// Path of the layer.
        layer: String,
        /// Input dimension.
        d_in: usize,
        /// Output dimension.
        d_out: usize,
    },
    /// A target weight is stored as something else than plain numbers.
    UnsupportedDType {
        /// Path of the layer.
        layer: String,
        /// The precision found.
        dtype: String,
    },
    /// A saved split has numbers of a type that a device has not.
    NotOnDevice {
        /// The type.
        dtype: String,
    },
    /// Weights were to be held in bf16 on a device that has none.
    NoBf16,
    /// Weights were to be held in bf16 in a form whose factors start from them.
    FactoredBf16,
    /// The singular value decomposition of a target weight did not converge.
    NoConvergence {
        /// Path of the layer.
        layer: String,
    },
    /// A source or a rule looks at the layers' inputs, and nothing is known of them.
    NotCalibrated,
    /// A rule weighs the layers by a measure that the calibration pass did not take.
    NotMeasured {
        /// What was not measured.
        measure: ImportanceMeasure,
    },
    /// A target was never observed by the calibration pass.
    NotObserved {
        /// Path of the layer.
        layer: String,
    },
    /// What a calibrator was given does not fit a layer.
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
    Regrouped {
        /// Path of the layer.
        layer: String,
    },
    /// The inputs of a layer, or its outputs, hold NaN or infinite values.
    NonFiniteInputs {
        /// Path of the layer.
        layer: String,
    },
    /// A calibration belongs to another module, or to other targets.
    OtherCalibration {
        /// Path of the first layer that does not fit.
        layer: String,
    },
    /// A bound of what has changed since the base model would leave a layer out.
    Unbounded {
        /// Path of the first such layer.
        layer: String,
    },
    /// Two calibrations hold the inputs of a layer in different ways.
    OtherSketch {
        /// Path of the first such layer.
        layer: String,
    },
    /// A source of calibration data was given a weight that is none.
    InvalidSourceWeight {
        /// The weight as given.
        weight: f64,
    },
    /// A saved state has another version of the layout.
    OtherFormat {
        /// What was saved.
        kind: &'static str,
        /// Version found.
        found: u32,
        /// Version that can be read.
        supported: u32,
    },
    /// Bytes are not the saved state they should be.
    BrokenState {
        /// What was expected.
        kind: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A split meets a module that it was not made from.
    OtherModule {
        /// Path of the layer in the split.
        layer: String,
        /// Input dimension in the split.
        d_in: usize,
        /// Output dimension in the split.
        d_out: usize,
    },
    /// A module has something attached to its parameters, so that there is no one weight to split.
    Reparameterized {
        /// Path of the first such parameter.
        layer: String,
        /// Name of what is attached.
        attached: String,
    },
    /// A module trains, or does not, by another split than this one.
    NotPrepared {
        /// Path of the first layer that has not what this split attaches.
        layer: String,
        /// Name of the split, if it has one.
        name: Option<String>,
    },
    /// A parameter was frozen, or unfrozen, after the module was split.
    TrainabilityChanged {
        /// Path of the parameter.
        parameter: String,
        /// Whether it was trained.
        trained: bool,
    },
    /// What trained beside the targets cannot be taken back.
    OthersTrained,
    /// An optimizer moves matrices alone, and not everything that trains is one.
    MatricesOnly {
        /// The optimizer.
        optimizer: &'static str,
        /// What is not a matrix.
        parameter: String,
        /// What else can be done.
        cure: &'static str,
    },
}
