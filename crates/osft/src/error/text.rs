//! Error messages: what does not fit, where, and what to do.

use std::fmt::{Display, Formatter};

use super::OsftError;

impl std::error::Error for OsftError {}

impl Display for OsftError {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InvalidPattern { pattern, reason } => write!(
                f,
                "target pattern {pattern:?} is not a regular expression: {}",
                // The parser draws the place of the mistake over several lines and names it in the last.
                reason
                    .lines()
                    .last()
                    .unwrap_or(reason)
                    .trim_start_matches("error: ")
            ),
            Self::NoTarget { pattern, available } => write!(
                f,
                "target pattern {pattern:?} matches none of the {} rank-2 parameters of the module; \
                 they are: {}",
                available.len(),
                abbreviate(available)
            ),
            Self::NoTargetInGroup { available } => write!(
                f,
                "the parameter group of the targets holds none of the {} rank-2 parameters of the module; \
                 they are: {}",
                available.len(),
                abbreviate(available)
            ),
            Self::NoTargetOfShare { pattern, targets } => write!(
                f,
                "a share is given for {pattern:?}, which none of the {} targets matches; they are: {}",
                targets.len(),
                abbreviate(targets)
            ),
            Self::Shared { layer, also } => write!(
                f,
                "layer {layer:?} is also {also:?}: an optimizer would move one of the two alone; keep one \
                 parameter and use it twice, or split the module as it is now"
            ),
            Self::NoLinearLayer { available } => write!(
                f,
                "the module has no linear layer but output heads: name the weights to split by patterns; its \
                 rank-2 parameters are: {}",
                abbreviate(available)
            ),
            Self::NothingTrains { targets } => write!(
                f,
                "nothing is left to train of the {} selected weights: they are frozen (`require_grad` is off) \
                 or stand at several places of the module: {}",
                targets.len(),
                abbreviate(targets)
            ),
            Self::NoPattern => write!(
                f,
                "no target pattern was given: name at least one, for instance `weight$`"
            ),
            Self::ShareOutOfRange { share } => write!(
                f,
                "protected share {share} is outside [0, 1]: 0 protects nothing, 1 freezes the layer"
            ),
            Self::UnknownShareRule { name, available } => write!(
                f,
                "share rule {name:?} is unknown; the rules are {}: take one of these, or resolve it by a \
                 list that has it (see `OsftConfig::with_rules`)",
                available.join(", ")
            ),
            Self::InvalidShareSetting { name, reason } => {
                write!(f, "the setting of share rule {name:?} is wrong: {reason}")
            }
            Self::NoShare { text, expected } => {
                write!(f, "{text:?} is no share: expected {expected}")
            }
            Self::TooManyDirections {
                layer,
                directions,
                available,
            } => write!(
                f,
                "{directions} directions were to be protected in layer {layer:?}, which has {available}: \
                 take fewer, or a share"
            ),
            Self::NonFinite {
                layer,
                count,
                total,
                row,
                column,
            } => write!(
                f,
                "layer {layer:?} is broken: {count} of its {total} values are not finite, the first at row \
                 {row}, column {column}; load an earlier checkpoint"
            ),
            Self::OutOfScale {
                layer,
                largest,
                limit,
            } => write!(
                f,
                "layer {layer:?} holds values up to {largest:e}: its norm is above {limit:e}, and sums of its \
                 values would overflow; scale the module first"
            ),
            Self::Empty { layer, d_in, d_out } => write!(
                f,
                "layer {layer:?} of shape [{d_in}, {d_out}] is empty and cannot be split"
            ),
            Self::UnsupportedDType { layer, dtype } => write!(
                f,
                "layer {layer:?} is stored as {dtype}; OSFT trains weights in f64, f32, f16 or bf16: cast the \
                 module first"
            ),
            Self::NotOnDevice { dtype } => write!(
                f,
                "the split has numbers in {dtype}, which this backend does not fully support: take another \
                 backend, or split a module of f32"
            ),
            Self::NoBf16 => write!(
                f,
                "the weights are to be held in bf16, which this backend does not fully support: take another \
                 backend, or full precision"
            ),
            Self::FactoredBf16 => write!(
                f,
                "the factored forms cannot hold the weights in bf16: base and factors would not add up to \
                 the weight; take the core or the weight form, or full precision"
            ),
            Self::NotTogether {
                setting,
                other,
                cure,
            } => write!(f, "{setting} does not go together with {other}: {cure}"),
            Self::InvalidAlpha { alpha } => write!(
                f,
                "scaling_alpha = {alpha} is out of range: it is finite and at least 0; a large one protects \
                 like `hard`"
            ),
            Self::LimitNotCalibrated { layer } => write!(
                f,
                "max_output_change needs the moment of the inputs of {layer}, and the split was loaded without \
                 it: load it with a context that has its calibration"
            ),
            Self::InvalidOutputChange { share } => write!(
                f,
                "max_output_change = {share} is out of range: it is finite and above 0, or \"none\" for no \
                 bound"
            ),
            Self::InvalidShrinkage { weight } => write!(
                f,
                "moment.shrinkage = {weight} is out of range: a weight is from 0 (the eigenvalues as they are) to \
                 1 (all equal)"
            ),
            Self::OtherMoments { expected, found } => write!(
                f,
                "the inputs were measured with another moment ({found}) than the settings or the other inputs ask for \
                 ({expected}): set moment as it was, or measure all of them again"
            ),
            Self::OtherRows {
                layer,
                announced,
                tokens,
            } => match announced {
                Some(announced) => write!(
                    f,
                    "{tokens} inputs of layer {layer:?} were observed, but the announced rows have {announced} \
                     tokens: announce the rows of every pass (`begin_rows`)"
                ),
                None => write!(
                    f,
                    "moment.skip_first needs to know where the rows of the {tokens} inputs of layer {layer:?} \
                     begin: announce the rows of every pass (`begin_rows`)"
                ),
            },
            Self::NothingSummed { layer, skip_first } => write!(
                f,
                "no token is left of the inputs of layer {layer:?}: all are among the first {skip_first} of \
                 their rows; set a smaller moment.skip_first, or measure longer rows"
            ),
            Self::InvalidThreshold { threshold } => write!(
                f,
                "threshold {threshold} is out of range: it is finite and at least 1; 1 leaves only the \
                 direction with the least energy free"
            ),
            Self::NotUnited => write!(
                f,
                "this split protects what any source needs, but the calibration only has the mean of its \
                 sources: set combine = \"mean\" as they were combined, or join them by `Calibration::joined` with \
                 this configuration"
            ),
            Self::United => write!(
                f,
                "the sources of this calibration are united, and averaging would leave the new source \
                 unprotected: set combine = \"union\", and join them by `Calibration::joined`"
            ),
            Self::ScaledDirections { layer } => write!(
                f,
                "the directions of layer {layer:?} are scaled, so no part of it is free alone that could be \
                 removed: split it with scaling = \"hard\""
            ),
            Self::NoConvergence { layer } => write!(
                f,
                "the singular value decomposition of layer {layer:?} did not converge"
            ),
            Self::NotCalibrated => write!(
                f,
                "this split looks at the inputs of the layers: calibrate first (see `Calibrator`) and \
                 split with the calibration in its context"
            ),
            Self::NotMeasured { measure } => write!(
                f,
                "this split weighs the layers by their {measure}, which the calibration did not measure: \
                 calibrate with it (see `Calibrator::with_importance`)"
            ),
            Self::NotObserved { layer } => write!(
                f,
                "layer {layer:?} was not observed: pass every target's inputs to the calibrator"
            ),
            Self::NoGradients { layer } => write!(
                f,
                "no gradients of layer {layer:?} were observed, which the split or the importance reads: pass those of \
                 every row to `Calibrator::observe_gradients`, from a module whose weights are not frozen"
            ),
            Self::OtherObservation {
                layer,
                what,
                expected,
                found,
            } => write!(
                f,
                "layer {layer:?} was observed with {what} of shape {found:?} instead of {expected:?}"
            ),
            Self::Regrouped { layer } => write!(
                f,
                "layer {layer:?} was observed with other layers than before: name the layers that share an \
                 input together, and the same ones in every call"
            ),
            Self::NonFiniteInputs { layer } => write!(
                f,
                "layer {layer:?} saw inputs, or gave outputs, that are not finite: the module or the \
                 calibration data is broken"
            ),
            Self::OtherCalibration { layer } => write!(
                f,
                "the calibration does not fit layer {layer:?}: it was made from another module, for other targets, or \
                 for a source that needs other moments"
            ),
            Self::Unbounded { layer } => write!(
                f,
                "how far the outputs of layer {layer:?} moved is not known, so nothing bounds them: split \
                 with a calibration in the context, and record the leaks of that split; a layer whose values \
                 are no numbers has no bound either"
            ),
            Self::OtherSketch { layer } => write!(
                f,
                "the inputs of layer {layer:?} are held as a sketch of other size, or as no sketch, in one of the \
                 two calibrations: measure both with the same `Calibrator::with_sketch`"
            ),
            Self::InvalidSourceWeight { weight } => write!(
                f,
                "source weight {weight} must be positive, from 1e-100 to 1e100"
            ),
            Self::OtherFormat {
                kind,
                found,
                supported,
            } => write!(
                f,
                "the saved {kind} has format version {found}, this version reads {supported}: make it \
                 anew, or use the version that wrote it"
            ),
            Self::BrokenState { kind, reason } => write!(f, "not a saved {kind}: {reason}"),
            Self::OtherModule { layer, d_in, d_out } => write!(
                f,
                "layer {layer:?} of the split is not in the module, or not with shape [{d_in}, {d_out}]: \
                 take the module that was split"
            ),
            Self::Reparameterized { layer, attached } => write!(
                f,
                "{attached:?} is attached to parameter {layer:?}: merge it first (`Osft::finish`, or \
                 `Module::materialize` for adapters), or throw it away (`Osft::discard`)"
            ),
            Self::NotPrepared { layer, name } => write!(
                f,
                "layer {layer:?} does not train by this split{}: prepare the module with it first, and finish \
                 or discard what another split prepared",
                name.as_ref()
                    .map(|name| format!(" ({name:?})"))
                    .unwrap_or_default()
            ),
            Self::TrainabilityChanged { parameter, trained } => write!(
                f,
                "parameter {parameter:?} was {} when the module was split and is {} now, so it could not be \
                 given back as it was: freeze and unfreeze before the split, or split again",
                if *trained { "trained" } else { "frozen" },
                if *trained { "frozen" } else { "trained" }
            ),
            Self::OthersTrained => write!(
                f,
                "parameters beside the targets were trained too (`Others::Trained`), and what they were is \
                 not kept: keep a clone of the module before it trains"
            ),
            Self::MatricesOnly {
                optimizer,
                parameter,
                cure,
            } => write!(
                f,
                "{optimizer} moves matrices alone, and {parameter:?} is none: take another optimizer, or {cure}"
            ),
        }
    }
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
