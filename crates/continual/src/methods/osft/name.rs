//! Name of a variant of OSFT in reports: source, form, rule for the share.

use ::osft::{BasePrecision, Form, OsftConfig, SplitSource};

/// `osft inputs core energy 0.9`, with the precision where it is not the model's.
pub(super) fn label(config: &OsftConfig) -> String {
    let split = match config.split {
        SplitSource::Weights => "weights",
        SplitSource::Inputs => "inputs",
        SplitSource::Both => "both",
    };
    let form = match config.form {
        Form::Core => "core",
        Form::Weight => "weight",
        Form::Factored => "factored",
        Form::FactoredReprojected => "factored-reprojected",
    };
    let precision = match config.base_precision {
        BasePrecision::Full => "",
        BasePrecision::Bf16 => " bf16-base",
    };
    let share = config.protected_share.label();
    let others: String = (config.target_shares.iter())
        .map(|some| format!(", {} of {}", some.protected_share.label(), some.targets))
        .collect();
    format!("osft {split} {form} {share}{others}{precision}")
}
