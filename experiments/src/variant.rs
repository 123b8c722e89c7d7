//! A variant of OSFT: how it is typed, and how reports name it.

use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use osft::{
    AdaptiveShare, BasePrecision, Form, ImportanceMeasure, OsftConfig, ShareRule, ShareSchedule,
    SplitSource,
};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// Where the protected directions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SplitName {
    /// Top singular directions of the weights: the paper's split.
    Weights,
    /// Directions that hold the energy of the layers' inputs.
    Inputs,
    /// Top singular directions of the weights as the inputs see them.
    Both,
}

/// How a weight is kept inside what is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormName {
    /// The optimizer runs in the coordinates of the free directions; nothing leaks.
    Core,
    /// The paper's equation 4: only changes from protected inputs to protected outputs are removed.
    Weight,
    /// The paper's algorithm: trained factors whose gradients are projected, as in PEFT.
    Factored,
    /// As factored, and the factors are projected after every step, as in mini_trainer.
    FactoredReprojected,
}

/// In which precision the weights of a split are held while their cores train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PrecisionName {
    /// That of the model, f32.
    Full,
    /// bf16: half of the memory; what trains stays f32. Backends without bf16 refuse.
    Bf16,
}

impl From<PrecisionName> for BasePrecision {
    fn from(name: PrecisionName) -> Self {
        match name {
            PrecisionName::Full => Self::Full,
            PrecisionName::Bf16 => Self::Bf16,
        }
    }
}

/// What `osft` splits and protects; `osft-paper` is not changed by these.
#[derive(Clone, Debug, Default, Args)]
pub struct OsftArgs {
    /// Where the protected directions come from [default: that of the settings, `inputs`].
    #[arg(long, value_enum, value_name = "SOURCE")]
    pub osft_split: Option<SplitName>,
    /// How the weights are kept inside the free directions [default: core].
    #[arg(long, value_enum, value_name = "FORM")]
    pub osft_form: Option<FormName>,
    /// Share of the directions that is protected: a number from 0 to 1, FIRST..LAST over the
    /// tasks, `adaptive` or `adaptive-cka` by the layers' importance, or `effective-rank`; or
    /// `k=COUNT` directions of every layer.
    #[arg(long, value_name = "SHARE", conflicts_with = "energy")]
    pub share: Option<ShareText>,
    /// Protect as few directions as hold this share, from 0 to 1, of the energy.
    #[arg(long, value_name = "ENERGY")]
    pub energy: Option<f64>,
    /// Precision in which the weights are held while they train [default: full].
    #[arg(long, value_enum, value_name = "PRECISION")]
    pub base_precision: Option<PrecisionName>,
}

/// A rule for the share as it is typed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShareText(ShareRule);

impl FromStr for ShareText {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let number = |text: &str| {
            text.parse::<f64>().with_context(|| {
                format!(
                    "{text:?} is no share: expected a number from 0 to 1, FIRST..LAST, adaptive, \
                     adaptive-cka, effective-rank or k=COUNT"
                )
            })
        };
        let adaptive = |importance| {
            ShareRule::Adaptive(AdaptiveShare {
                importance,
                ..AdaptiveShare::default()
            })
        };
        let count = text.strip_prefix("k=").and_then(|text| text.parse().ok());
        if let Some(count) = count {
            return Ok(Self(ShareRule::Count(count)));
        }
        let rule = match (text, text.split_once("..")) {
            ("adaptive", _) => adaptive(ImportanceMeasure::Cosine),
            ("adaptive-cka", _) => adaptive(ImportanceMeasure::LinearCka),
            ("effective-rank", _) => ShareRule::EffectiveRank,
            (_, Some((first, last))) => ShareRule::Schedule(ShareSchedule {
                first: number(first)?,
                last: number(last)?,
            }),
            _ => ShareRule::Fixed(number(text)?),
        };
        rule.validate()?;
        Ok(Self(rule))
    }
}

impl OsftArgs {
    /// What was typed, under the names of the settings.
    pub fn table(&self) -> Table {
        let mut table = Table::new();
        if let Some(split) = self.osft_split {
            table.insert("split".to_string(), Value::from(snake_case(split)));
        }
        if let Some(form) = self.osft_form {
            table.insert("form".to_string(), Value::from(snake_case(form)));
        }
        if let Some(precision) = self.base_precision {
            let precision = Value::from(snake_case(precision));
            table.insert("base_precision".to_string(), precision);
        }
        let rule = match (self.share, self.energy) {
            (Some(ShareText(rule)), _) => Some(rule),
            (_, Some(energy)) => Some(ShareRule::Energy(energy)),
            _ => None,
        };
        if let Some(value) = rule.and_then(|rule| Value::try_from(rule).ok()) {
            table.insert("protected_share".to_string(), value);
        }
        table
    }

    /// A configuration with what was typed in place of its own.
    ///
    /// # Errors
    ///
    /// A share or an energy out of range.
    pub fn applied_to(&self, config: &OsftConfig) -> Result<OsftConfig> {
        let mut table = Table::try_from(config)?;
        for (key, value) in self.table() {
            table.insert(key, value);
        }
        let config: OsftConfig = table.try_into()?;
        config.validate()?;
        Ok(config)
    }
}

fn snake_case(value: impl ValueEnum) -> String {
    let name = value.to_possible_value();
    name.map_or(String::new(), |name| name.get_name().replace('-', "_"))
}

/// Name of a variant in reports: source, form and rule.
pub fn label(config: &OsftConfig) -> String {
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
    let share = share_label(&config.protected_share);
    let others: String = (config.target_shares.iter())
        .map(|some| {
            format!(
                ", {} of {}",
                share_label(&some.protected_share),
                some.targets
            )
        })
        .collect();
    format!("osft {split} {form} {share}{others}{precision}")
}

/// Name of a rule in reports.
pub fn share_label(rule: &ShareRule) -> String {
    match rule {
        ShareRule::Fixed(share) => format!("{share}"),
        ShareRule::Count(count) => format!("k={count}"),
        ShareRule::Energy(energy) => format!("energy {energy}"),
        ShareRule::EffectiveRank => "effective rank".to_string(),
        ShareRule::Schedule(ShareSchedule { first, last }) => format!("{first}..{last}"),
        ShareRule::Adaptive(adaptive) => match adaptive.importance {
            ImportanceMeasure::LinearCka => "adaptive-cka".to_string(),
            ImportanceMeasure::Cosine => "adaptive".to_string(),
        },
    }
}

/// Whether a configuration says anything about inputs that has to be measured.
///
/// # Errors
///
/// If it does and nothing is to be measured.
pub fn check_calibration(config: &OsftConfig, base_rows: usize) -> Result<()> {
    ensure!(
        base_rows > 0 || !config.needs_calibration(),
        "{} looks at the inputs of the layers, but calibration.base_rows is 0",
        label(config)
    );
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_typed_as_they_are_meant() {
        let rule = |text: &str| text.parse::<ShareText>().map(|share| share_label(&share.0));
        for text in ["0.5", "0.1..0.8", "adaptive", "adaptive-cka", "k=64"] {
            assert_eq!(rule(text).unwrap(), text);
        }
        assert_eq!(rule("effective-rank").unwrap(), "effective rank");
        let no_share = "is no share";
        for (text, words) in [
            ("1.5", "1.5 is outside [0, 1]"),
            ("-1", "-1 is outside [0, 1]"),
            ("0.1..2", "2 is outside [0, 1]"),
            ("half", no_share),
            ("k=half", no_share),
            ("0.1..x", no_share),
            ("", no_share),
        ] {
            let error = rule(text).unwrap_err();
            assert!(error.to_string().contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn what_is_typed_replaces_what_is_configured() {
        let args = OsftArgs {
            osft_split: Some(SplitName::Both),
            osft_form: Some(FormName::FactoredReprojected),
            share: None,
            energy: Some(0.9),
            base_precision: None,
        };
        let config = args.applied_to(&OsftConfig::new()).unwrap();
        assert_eq!(label(&config), "osft both factored-reprojected energy 0.9");
        let unchanged = OsftArgs::default().applied_to(&config).unwrap();
        assert_eq!(unchanged, config);
    }
}
