//! The runs of a study, by variant and learning rate.

use anyhow::Result;
use continual::{Figure, metrics};
use report::hash::shortened;
use report::page::Summary;
use report::record::{Contents, DivergedRun, Identity};

use super::plan::{Plan, Variant};

/// A variant at all of its learning rates, on the same rows and model.
pub struct Group<'a> {
    /// The name of the variant.
    pub label: String,
    /// Pictures that show it.
    pub pictures: &'a [String],
    /// Its learning rates, in ascending order.
    pub rates: Vec<AtRate<'a>>,
}

/// The runs of a variant at one learning rate.
pub struct AtRate<'a> {
    /// The learning rate.
    pub rate: f64,
    /// The runs with scores; `None` if there is none.
    pub scored: Option<&'a Summary>,
    /// How many runs diverged.
    pub diverged: usize,
    /// How many runs of the plan are not in the folder.
    pub missing: usize,
}

impl AtRate<'_> {
    /// How many runs have scores, diverged, and were not run.
    pub fn seeds(&self) -> String {
        let counts = [(self.diverged, "diverged"), (self.missing, "not run")];
        let counts = counts.iter().filter(|(count, _)| *count > 0);
        let without = counts.map(|(count, state)| format!("{count} {state}"));
        let scored = self.scored.map(|summary| summary.runs.len().to_string());
        let parts: Vec<String> = scored.into_iter().chain(without).collect();
        parts.join(" and ")
    }
}

impl Group<'_> {
    /// The runs with scores, by learning rate.
    pub fn scored(&self) -> impl Iterator<Item = &Summary> {
        self.rates.iter().filter_map(|at| at.scored)
    }

    /// The learning rate with the highest AA, among those with as many seeds as any and without a run that diverged; the
    /// lowest of equals.
    pub fn best_rate(&self) -> Option<f64> {
        let most = self.scored().map(|summary| summary.runs.len()).max()?;
        let whole = self.rates.iter().filter(|at| at.diverged == 0);
        let whole = whole.filter_map(|at| at.scored.filter(|own| own.runs.len() == most));
        whole
            .filter_map(|own| Some((own.learning_rate, own.figure(metrics::average_accuracy)?.0)))
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(rate, _)| rate)
    }
}

/// Whether results belong to a variant: by their settings, or by their name if only the name was
/// recorded and it is unique.
///
/// # Errors
///
/// If the settings cannot be written as TOML.
pub fn belongs_to(summary: &Summary, variant: &Variant, plan: &Plan) -> Result<bool> {
    let run = &summary.runs[0];
    match &run.identity {
        Some(identity) => is_of(identity, run.learning_rate, variant),
        None => {
            let label = variant.label()?;
            let same = plan.variants.iter();
            let same = same.filter(|other| other.label().is_ok_and(|own| own == label));
            Ok(run.method == label && same.count() == 1)
        }
    }
}

fn is_of(identity: &Identity, rate: f64, variant: &Variant) -> Result<bool> {
    Ok(variant.learning_rates.contains(&rate)
        && variant.at(rate)?.key_settings(&variant.method)? == identity.settings)
}

/// The runs of a variant that diverged, with one of these seeds.
///
/// # Errors
///
/// If the settings cannot be written as TOML.
pub fn diverged_of<'a>(
    variant: &Variant,
    seeds: &[u64],
    diverged: &'a [DivergedRun],
) -> Result<Vec<&'a DivergedRun>> {
    let mut failed = Vec::new();
    for run in diverged {
        if seeds.contains(&run.seed) && is_of(&run.identity, run.learning_rate, variant)? {
            failed.push(run);
        }
    }
    Ok(failed)
}

/// Groups the results of a variant, and its runs that diverged, by content: rows or a model that changed in between give
/// another curve. Every planned rate is in a group, whether it has results or not.
pub fn grouped<'a>(
    (variant, label): (&'a Variant, &str),
    seeds: &[u64],
    results: &[&'a Summary],
    failed: &[&'a DivergedRun],
) -> Vec<Group<'a>> {
    let of_summary = |summary: &'a Summary| summary.runs[0].identity.as_ref().map(|i| &i.contents);
    let of_failed = |run: &&'a DivergedRun| Some(&run.identity.contents);
    let mut contents: Vec<Option<&Contents>> = Vec::new();
    let all = results.iter().copied().map(of_summary);
    for own in all.chain(failed.iter().map(of_failed)) {
        if !contents.contains(&own) {
            contents.push(own);
        }
    }
    if contents.is_empty() {
        contents.push(None);
    }
    let apart = contents.len() > 1;
    let groups = contents.into_iter().map(|read| {
        let own: Vec<&Summary> = results
            .iter()
            .copied()
            .filter(|s| of_summary(s) == read)
            .collect();
        let mut rates = variant.learning_rates.clone();
        rates.extend(own.iter().map(|summary| summary.learning_rate));
        rates.sort_by(f64::total_cmp);
        rates.dedup();
        let at = |rate: f64| {
            let scored = own.iter().copied().find(|own| own.learning_rate == rate);
            let diverged = failed.iter().filter(|run| of_failed(run) == read);
            let diverged: Vec<u64> = diverged
                .filter(|run| run.learning_rate == rate)
                .map(|run| run.seed)
                .collect();
            let has = |seed: &u64| {
                let mut runs = scored.iter().flat_map(|summary| &summary.runs);
                diverged.contains(seed) || runs.any(|run| run.seed == *seed)
            };
            AtRate {
                rate,
                scored,
                diverged: diverged.len(),
                missing: seeds.iter().filter(|seed| !has(seed)).count(),
            }
        };
        Group {
            label: match apart {
                true => format!("{label} ({})", described(read)),
                false => label.to_string(),
            },
            pictures: &variant.pictures,
            rates: rates.into_iter().map(at).collect(),
        }
    });
    groups.collect()
}

fn described(read: Option<&Contents>) -> String {
    read.map_or("of an earlier version".to_string(), |read| {
        format!(
            "rows {}, weights {}",
            shortened(&read.rows),
            shortened(&read.model_weights)
        )
    })
}

/// The methods' own figures.
pub fn columns<'a>(groups: &'a [Group<'_>]) -> Vec<&'a Figure> {
    Summary::columns(groups.iter().flat_map(Group::scored))
}
