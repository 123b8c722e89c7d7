//! Errors of splitting, training and measuring a module.

mod text;

use crate::importance_measure::ImportanceMeasure;

/// Errors of splitting, training and measuring a module.
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
    /// The parameter group of the targets holds no rank-2 parameter of the module.
    NoTargetInGroup {
        /// Paths of all rank-2 parameters of the module.
        available: Vec<String>,
    },
    /// A pattern in `target_shares` matches none of the targets.
    NoTargetOfShare {
        /// The pattern that selects nothing.
        pattern: String,
        /// Paths of all targets.
        targets: Vec<String>,
    },
    /// Several places of a module share a weight that is split.
    Shared {
        /// Path of the layer.
        layer: String,
        /// Another path of the same parameter.
        also: String,
    },
    /// The module has no linear layer that is split by default.
    NoLinearLayer {
        /// Paths of all rank-2 parameters of the module.
        available: Vec<String>,
    },
    /// None of the selected weights can train.
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
    /// Settings name a share rule that the registry does not contain.
    UnknownShareRule {
        /// The name as given.
        name: String,
        /// Names of the available rules.
        available: Vec<String>,
    },
    /// The setting of a share rule cannot be read.
    InvalidShareSetting {
        /// Name of the rule.
        name: String,
        /// What is wrong with the setting.
        reason: String,
    },
    /// A typed text is not a share rule.
    NoShare {
        /// The text, or the part of it that is wrong.
        text: String,
        /// What can be typed instead.
        expected: String,
    },
    /// A rule asks for more protected directions than a layer has.
    TooManyDirections {
        /// Path of the layer.
        layer: String,
        /// Number of directions that the rule asks for.
        directions: usize,
        /// Number of directions that can be protected.
        available: usize,
    },
    /// A weight contains NaN or infinite values, before the split or after training.
    NonFinite {
        /// Path of the layer.
        layer: String,
        /// Number of values that are NaN or infinite.
        count: usize,
        /// Number of values of the weight.
        total: usize,
        /// Row (input index) of the first such value.
        row: usize,
        /// Column (output index) of the first such value.
        column: usize,
    },
    /// A target weight is so large that computations with it would overflow.
    OutOfScale {
        /// Path of the layer.
        layer: String,
        /// Largest absolute value.
        largest: f64,
        /// Largest norm that is allowed.
        limit: f64,
    },
    /// A target weight has a dimension of 0.
    Empty {
        /// Path of the layer.
        layer: String,
        /// Input dimension.
        d_in: usize,
        /// Output dimension.
        d_out: usize,
    },
    /// A target weight is not stored in a floating-point type.
    UnsupportedDType {
        /// Path of the layer.
        layer: String,
        /// The type found.
        dtype: String,
    },
    /// A saved split contains numbers of a type that the device does not support.
    NotOnDevice {
        /// The type.
        dtype: String,
    },
    /// The configuration stores weights in bf16, which the device does not support.
    NoBf16,
    /// Two settings exclude each other.
    NotTogether {
        /// One setting.
        setting: String,
        /// The other one.
        other: String,
        /// Why, and what to do.
        cure: &'static str,
    },
    /// The `α` of a scaling is negative or not finite.
    InvalidAlpha {
        /// The number as given.
        alpha: f64,
    },
    /// Outputs are to be held within a bound, and the split was loaded without the calibration that says how large they
    /// are.
    LimitNotCalibrated {
        /// Path of the first layer without its inputs' moment.
        layer: String,
    },
    /// The largest change of outputs is not above 0, or not finite.
    InvalidOutputChange {
        /// The share as given.
        share: f64,
    },
    /// The weight of a shrinkage is outside `[0, 1]`.
    InvalidShrinkage {
        /// The weight as given.
        weight: f64,
    },
    /// Inputs were summed in another way than the configuration asks for.
    OtherMoments {
        /// How the configuration, or an earlier calibration, sums them.
        expected: String,
        /// How they were summed.
        found: String,
    },
    /// The tokens of the announced rows are not those of the inputs.
    OtherRows {
        /// Path of the layer.
        layer: String,
        /// Number of tokens of the announced rows; `None` if none were announced.
        announced: Option<usize>,
        /// Number of tokens of the inputs.
        tokens: usize,
    },
    /// All tokens were left out of the moment of a layer's inputs.
    NothingSummed {
        /// Path of the layer.
        layer: String,
        /// Number of first tokens that are left out.
        skip_first: usize,
    },
    /// The threshold of a rule is below 1 or not finite.
    InvalidThreshold {
        /// The number as given.
        threshold: f64,
    },
    /// A split reads the union of what its sources need, but the calibration only has their mean.
    NotUnited,
    /// A source would be averaged into a calibration whose sources are united, and nothing would protect it.
    United,
    /// A layer's directions are scaled, so it has no free part that could be removed.
    ScaledDirections {
        /// Path of the first such layer.
        layer: String,
    },
    /// The configuration combines a factored form, whose factors start from the weights, with weights in
    /// bf16.
    FactoredBf16,
    /// The singular value decomposition of a target weight did not converge.
    NoConvergence {
        /// Path of the layer.
        layer: String,
    },
    /// A source or a rule needs a calibration, and the context contains none.
    NotCalibrated,
    /// A rule reads an importance measure that the calibration does not contain.
    NotMeasured {
        /// The missing measure.
        measure: ImportanceMeasure,
    },
    /// A target was never observed by the calibration pass.
    NotObserved {
        /// Path of the layer.
        layer: String,
    },
    /// A measure of importance reads gradients of a target, and none were observed.
    NoGradients {
        /// Path of the layer.
        layer: String,
    },
    /// An observed input or output does not have the shape that its layer needs.
    OtherObservation {
        /// Path of the layer.
        layer: String,
        /// `inputs`, `outputs` or `gradients`.
        what: &'static str,
        /// Shape expected.
        expected: [usize; 2],
        /// Shape found.
        found: [usize; 2],
    },
    /// A layer was observed together with other layers than before.
    Regrouped {
        /// Path of the layer.
        layer: String,
    },
    /// The inputs or outputs of a layer contain NaN or infinite values.
    NonFiniteInputs {
        /// Path of the layer.
        layer: String,
    },
    /// A calibration belongs to another module, or to other targets.
    OtherCalibration {
        /// Path of the first layer that does not fit.
        layer: String,
    },
    /// The change of a layer since the base model cannot be bounded.
    Unbounded {
        /// Path of the first such layer.
        layer: String,
    },
    /// Two calibrations store the input moments of a layer in different ways.
    OtherSketch {
        /// Path of the first such layer.
        layer: String,
    },
    /// The weight of a calibration source is out of range.
    InvalidSourceWeight {
        /// The weight as given.
        weight: f64,
    },
    /// A saved state has a version of the layout that cannot be read.
    OtherFormat {
        /// Kind of saved state.
        kind: &'static str,
        /// Version found.
        found: u32,
        /// Newest version that can be read.
        supported: u32,
    },
    /// The bytes are not a saved state of the expected kind.
    BrokenState {
        /// Expected kind of saved state.
        kind: &'static str,
        /// What is wrong with the bytes.
        reason: String,
    },
    /// A module lacks a target of the split, or has it in another shape.
    OtherModule {
        /// Path of the layer in the split.
        layer: String,
        /// Input dimension in the split.
        d_in: usize,
        /// Output dimension in the split.
        d_out: usize,
    },
    /// A parameter has an attachment (a core, an adapter), so there is no single weight to split.
    Reparameterized {
        /// Path of the first such parameter.
        layer: String,
        /// Name of the attachment.
        attached: String,
    },
    /// A module was not prepared by this split.
    NotPrepared {
        /// Path of the first layer whose attachments differ from those of this split.
        layer: String,
        /// Name of the split, if it has one.
        name: Option<String>,
    },
    /// A parameter was frozen or unfrozen after the module was split.
    TrainabilityChanged {
        /// Path of the parameter.
        parameter: String,
        /// Whether it was trainable at the split.
        trained: bool,
    },
    /// Parameters beside the targets have trained, so their values at the split are lost.
    OthersTrained,
    /// An optimizer only supports matrices, but another parameter trains too.
    MatricesOnly {
        /// Name of the optimizer.
        optimizer: &'static str,
        /// Path of the parameter that is not a matrix.
        parameter: String,
        /// What to do instead of choosing another optimizer.
        cure: &'static str,
    },
}
