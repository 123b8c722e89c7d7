//! The name of an OSFT variant in reports: source, form, what differs from a hard split by the mean, rule for the
//! share.

use ::osft::{
    BasePrecision, Combine, Form, OsftConfig, Scaling, Shrinkage, SplitSource, TokenLength,
};

/// Most characters in which the shares of single targets are named.
const LONGEST_SHARES: usize = 80;

/// Such as `osft inputs core energy 0.9`, with scaling, union, moment and precision where they differ from the defaults.
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
    let moment = &config.moment;
    let skipped = match moment.skip_first {
        0 => String::new(),
        tokens => format!(" skip-first {tokens}"),
    };
    let tokens = match moment.tokens {
        TokenLength::Own => String::new(),
        other => format!(" tokens {}", other.name()),
    };
    let shrinkage = match moment.shrinkage {
        Shrinkage::None => String::new(),
        other => format!(" shrinkage {}", other.label()),
    };
    let limit = match config.max_output_change {
        None => String::new(),
        Some(most) => format!(" outputs within {most}"),
    };
    let share = config.protected_share.label();
    let shares = config.target_shares.iter();
    let shares: String = shares
        .map(|share| format!(", {} of {}", share.protected_share.label(), share.targets))
        .collect();
    // It is read in tables.
    let target_shares = match shares.chars().count() > LONGEST_SHARES {
        true => format!(", {} target shares", config.target_shares.len()),
        false => shares,
    };
    format!(
        "osft {split} {form}{scaling}{union}{skipped}{tokens}{shrinkage} {share}{target_shares}{limit}{precision}"
    )
}
