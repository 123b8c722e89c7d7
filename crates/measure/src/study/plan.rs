//! The plan of a study: variants, learning rates and seeds.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use report::record::{Contents, NamedResult, tell_apart};
use runs::Registries;
use runs::data::ScoredRows;
use runs::settings::{Overrides, RunConfig, merge, pair_as_table, read_toml, translated};

/// The content of a plan's file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    title: String,
    /// `validation` while results are used to choose, `test` for reported results.
    rows: RowsName,
    seeds: Vec<u64>,
    /// The command whose suite and defaults the runs have.
    #[serde(default = "first_benchmark")]
    benchmark: String,
    #[serde(default)]
    learning_rates: Vec<f64>,
    /// Settings of every run, as in a file for `trace --config`.
    #[serde(default)]
    run: Table,
    variants: Vec<VariantFile>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RowsName {
    Validation,
    Test,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct VariantFile {
    method: String,
    /// Pictures that show the variant; there may be several.
    #[serde(default)]
    pictures: Vec<String>,
    /// Learning rates that override the plan's.
    #[serde(default)]
    learning_rates: Vec<f64>,
    /// Settings that override the run's settings of the method.
    #[serde(default)]
    settings: Table,
}

/// Settings that a plan says elsewhere, and where.
const NOT_IN_RUN: [(&str, &str); 4] = [
    ("benchmark", "name it as benchmark of the plan"),
    ("compare", "the methods are those of the variants"),
    (
        "learning_rates",
        "name them as learning_rates of the plan or of a variant",
    ),
    ("seeds", "name them as seeds of the plan"),
];

fn first_benchmark() -> String {
    "trace".to_string()
}

/// A plan that is ready to run.
pub struct Plan {
    /// The command whose suite and defaults the runs have.
    pub benchmark: String,
    /// Title of its report.
    pub title: String,
    /// The split whose rows are scored.
    pub rows: ScoredRows,
    /// Seeds; every variant runs with each of them at every rate.
    pub seeds: Vec<u64>,
    /// The variants to compare.
    pub variants: Vec<Variant>,
}

/// A method with one configuration.
pub struct Variant {
    /// The method.
    pub method: String,
    /// Settings of its runs.
    pub config: RunConfig,
    /// Learning rates to run it at.
    pub learning_rates: Vec<f64>,
    /// Pictures that show it.
    pub pictures: Vec<String>,
}

impl Plan {
    /// Reads a plan. `set` are pairs such as `calibration.base=continued`, over its settings of every run.
    ///
    /// # Errors
    ///
    /// An unreadable file, an unknown key or a setting out of range; the message says where.
    pub fn read(registries: &Registries, path: &Path, set: &[String]) -> Result<Self> {
        let mut over = Table::new();
        for pair in set {
            merge(&mut over, translated(registries, pair_as_table(pair)?));
        }
        Self::resolve(registries, read_toml(path)?, &over)
            .with_context(|| format!("in {}", path.display()))
    }

    /// `over` holds for every run, whatever the plan and its variants say.
    fn resolve(registries: &Registries, file: PlanFile, over: &Table) -> Result<Self> {
        let file = PlanFile {
            run: translated(registries, file.run),
            ..file
        };
        ensure!(!file.seeds.is_empty(), "seeds is empty: name at least one");
        ensure!(
            !file.variants.is_empty(),
            "variants is empty: name at least one"
        );
        check_pictures(&file.variants)?;
        let variants = file
            .variants
            .iter()
            .enumerate()
            .map(|(index, variant)| {
                resolve(registries, &file, variant, over)
                    .with_context(|| format!("variant {}", index + 1))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            benchmark: file.benchmark,
            title: file.title,
            rows: match file.rows {
                RowsName::Validation => ScoredRows::Validation,
                RowsName::Test => ScoredRows::Test,
            },
            seeds: file.seeds,
            variants,
        })
    }
}

fn resolve(
    registries: &Registries,
    file: &PlanFile,
    variant: &VariantFile,
    over: &Table,
) -> Result<Variant> {
    for (key, instead) in NOT_IN_RUN {
        ensure!(!file.run.contains_key(key), "run.{key}: {instead}");
        ensure!(!over.contains_key(key), "--set {key}: {instead}");
    }
    let mut flags = file.run.clone();
    if !variant.settings.is_empty() {
        let own = Table::from_iter([(
            variant.method.clone(),
            Value::Table(variant.settings.clone()),
        )]);
        let own = Table::from_iter([("methods".to_string(), Value::Table(own))]);
        merge(&mut flags, own);
    }
    merge(&mut flags, over.clone());
    let method = Value::from(variant.method.as_str());
    flags.insert("compare".to_string(), Value::Array(vec![method]));
    let given = flags.contains_key("model") || flags.contains_key("data");
    let overrides = Overrides {
        flags,
        ..Overrides::default()
    };
    let config = RunConfig::resolve(registries, &file.benchmark, given, &overrides)?;
    let own = [&variant.learning_rates, &file.learning_rates];
    let rates = own.into_iter().find(|rates| !rates.is_empty());
    Ok(Variant {
        method: variant.method.clone(),
        learning_rates: match rates {
            Some(rates) => rates.clone(),
            None => vec![config.common_learning_rate(&variant.method)?],
        },
        pictures: variant.pictures.clone(),
        config,
    })
}

/// The file of a picture.
pub fn picture_file(name: &str) -> String {
    format!("{}.svg", name.replace(' ', "-"))
}

/// Checks that the names of pictures are names of different files of the folder.
fn check_pictures(variants: &[VariantFile]) -> Result<()> {
    let names: Vec<&String> = variants.iter().flat_map(|v| v.pictures.iter()).collect();
    for name in &names {
        let allowed = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.');
        ensure!(
            name.chars().all(allowed) && name.starts_with(char::is_alphanumeric),
            "picture {name:?}: a name begins with a letter or a digit and has letters, digits, spaces, dots, \
             hyphens and underscores"
        );
        let twin = names
            .iter()
            .find(|other| other != &name && picture_file(other) == picture_file(name));
        if let Some(twin) = twin {
            bail!("pictures {name:?} and {twin:?} have the same file: give one another name");
        }
    }
    Ok(())
}

impl Variant {
    /// The method's name with the settings that distinguish it.
    ///
    /// # Errors
    ///
    /// If there is no such method.
    pub fn label(&self) -> Result<String> {
        self.config.label(&self.method)
    }

    /// The settings at one learning rate.
    ///
    /// # Errors
    ///
    /// If the rate is out of range.
    pub fn at(&self, rate: f64) -> Result<RunConfig> {
        let mut config = self.config.with_order(&self.config.order)?;
        // After the settings of the order, which may hold a rate: the plan's is the one that is asked for.
        config.learning_rates.insert(self.method.clone(), rate);
        config.calibration.save = false;
        config.train_config(&self.method).validate()?;
        Ok(config)
    }
}

/// Names of the variants; equal names get the settings in which they differ, or their first learning rates if there is no other
/// difference.
///
/// # Errors
///
/// If there is no such method.
pub fn labels(variants: &[Variant]) -> Result<Vec<String>> {
    let of = |variant: &Variant, config: &RunConfig| {
        config.identity(config, &variant.method, &Contents::default())
    };
    let named = variants
        .iter()
        .map(|variant| of(variant, &variant.config))
        .collect::<Result<Vec<_>>>()?;
    let mut identities = Vec::new();
    for (variant, own) in variants.iter().zip(&named) {
        let same = named.iter().filter(|other| other.key == own.key).count();
        identities.push(match variant.learning_rates.first() {
            Some(&rate) if same > 1 => of(variant, &variant.at(rate)?)?,
            _ => own.clone(),
        });
    }
    let labels = variants
        .iter()
        .map(Variant::label)
        .collect::<Result<Vec<String>>>()?;
    let named: Vec<NamedResult<'_>> = labels
        .iter()
        .zip(&identities)
        .map(|(label, identity)| NamedResult {
            label,
            tasks: &[],
            identity: Some(identity),
        })
        .collect();
    Ok(tell_apart(&named))
}

/// The part of a plan's runs that a process executes: number `part` of `parts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    part: usize,
    parts: usize,
}

impl std::str::FromStr for Part {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let numbers = text.split_once('/').and_then(|(part, parts)| {
            Some((part.parse::<usize>().ok()?, parts.parse::<usize>().ok()?))
        });
        match numbers {
            Some((part, parts)) if (1..=parts).contains(&part) => Ok(Self { part, parts }),
            _ => bail!("{text:?} is no part: expected for instance 1/2, the first of two"),
        }
    }
}

impl Part {
    /// Whether run number `index` belongs to this part.
    pub fn takes(self, index: usize) -> bool {
        index % self.parts == self.part - 1
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
#[path = "plan_tests.rs"]
mod tests;
