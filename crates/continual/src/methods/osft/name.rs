//! The name of an OSFT variant in reports: source, form, rule for the share.

use ::osft::{BasePrecision, Form, OsftConfig, SplitSource};

/// Such as `osft inputs core energy 0.9`, with the precision if it differs from the model's.
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
    let target_shares: String = (config.target_shares.iter())
        .map(|share| format!(", {} of {}", share.protected_share.label(), share.targets))
        .collect();
    format!("osft {split} {form} {share}{target_shares}{precision}")
}
