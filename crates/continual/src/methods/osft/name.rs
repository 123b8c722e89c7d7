//! The name of an OSFT variant in reports: source, form, what differs from a hard split by the mean, rule for the
//! share.

use ::osft::{BasePrecision, Combine, Form, OsftConfig, Scaling, SplitSource};

/// Such as `osft inputs core energy 0.9`, with scaling, union and precision where they differ from the defaults.
pub(super) fn label(config: &OsftConfig) -> String {
    let split = match config.split {
        SplitSource::Weights => "weights",
        SplitSource::Inputs => "inputs",
        SplitSource::Both => "both",
        SplitSource::InputsAndGradients => "inputs and gradients",
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
    let scaling = match config.scaling {
        Scaling::Hard => String::new(),
        Scaling::Ridge => " ridge".to_string(),
        Scaling::Scaled => format!(" scaled {}", config.scaling_alpha),
    };
    let union = match config.combine {
        Combine::Mean => "",
        Combine::Union => " union",
    };
    let share = config.protected_share.label();
    let target_shares: String = (config.target_shares.iter())
        .map(|share| format!(", {} of {}", share.protected_share.label(), share.targets))
        .collect();
    format!("osft {split} {form}{scaling}{union} {share}{target_shares}{precision}")
}
