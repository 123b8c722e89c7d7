//! The report of a study: a table of all variants, and pictures of retention against learning
//! accuracy.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use continual::{Figure, metrics};

use report::hash::shortened;
use report::page::{
    Summary, empty_table, likelihood_section, meanings, several_revisions, summarize, with_numbers,
};
use report::picture::{Curve, CurvesPicture, curves};
use report::record::{DivergedRun, Manifest, RunFolder};
use runs::Registries;

use super::plan::{Plan, Variant, labels, picture_file};

const LEGEND: &str = "\
Learning `1/T Σ R[j][j]`: the mean score right after each task. Retained \
`100/(T-1) Σ_{j<T} R[T][j] / R[j][j]`: the share of it that is left after the last task. AA, BWT: as \
in every report. General: the knowledge probe after the last task, where it was asked. Free: degrees of freedom that training had, of the targets' (for plain \
fine-tuning: of all). ± is the standard deviation over seeds. In bold, for every variant, the \
learning rate with the highest AA.";

/// Writes `report.md`, `study.csv` and one picture per group of variants into the study's folder.
///
/// # Errors
///
/// A plan or results that cannot be read, a folder that cannot be written.
pub fn report(registries: &Registries, plan: &Path, out: &Path) -> Result<()> {
    let plan = Plan::read(registries, plan)?;
    let folder = RunFolder::reopen(out)?;
    let results = super::results(out)?;
    let summaries = summarize(&results)?;
    let labels = labels(&plan.variants)?;
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut shown = vec![false; summaries.len()];
    for (variant, label) in plan.variants.iter().zip(labels) {
        let mut own = Vec::new();
        for (summary, shown) in summaries.iter().zip(&mut shown) {
            if belongs_to(summary, variant, &plan)? {
                own.push(summary);
                *shown = true;
            }
        }
        groups.extend(grouped(&label, &variant.pictures, own));
    }
    let stray = summaries.iter().zip(&shown).filter(|(_, shown)| !**shown);
    let stray: usize = stray.map(|(summary, _)| summary.runs.len()).sum();
    if stray > 0 {
        eprintln!(
            "warning: {stray} of {} results in {} are of no variant and rate of the plan, and are not \
             shown",
            results.len(),
            out.display()
        );
    }
    folder.write("study.csv", csv(&groups)?.as_bytes())?;

    let revisions = results.iter().filter_map(|r| r.revision.as_deref());
    let mut notes = several_revisions(revisions).unwrap_or_default();
    if !notes.is_empty() {
        eprintln!("warning: {notes}");
        notes.push_str("\n\n");
    }
    let manifest = Manifest::new(plan.title.clone(), "");
    let mut page = String::new();
    writeln!(page, "# {}\n", plan.title)?;
    let shown = groups.iter().flat_map(|group| group.rates.iter().copied());
    let meanings = meanings(shown);
    writeln!(page, "{}\n\n{LEGEND}{meanings}\n", table(&groups, true))?;
    if let Some(section) = likelihood_section(&summaries) {
        page.push_str(&section);
    }
    for run in DivergedRun::read_all(out)? {
        let (method, rate, seed) = (&run.method, run.learning_rate, run.seed);
        let line = format!(
            "{method} at {rate:e} with seed {seed} diverged: {}",
            run.reason
        );
        eprintln!("warning: {line}");
        writeln!(notes, "{line}.\n")?;
    }
    let pictures = groups.iter().flat_map(|group| group.pictures.iter());
    let mut drawn: Vec<&String> = Vec::new();
    for name in pictures {
        if drawn.contains(&name) {
            continue;
        }
        let file = picture_file(name);
        drawn.push(name);
        if let Some(svg) = picture(name, &groups)? {
            folder.write(&file, svg.as_bytes())?;
            writeln!(page, "![{name}]({file})\n")?;
        }
    }
    writeln!(
        page,
        "{notes}The runs, one file each, are `result-*.json`; all figures of the table are in `study.csv`. \
         Version {}, Burn {}.",
        manifest.version, manifest.burn
    )?;
    folder.write("report.md", page.as_bytes())?;
    println!("{}", table(&groups, false));
    println!("\nreport: {}", folder.path().join("report.md").display());
    Ok(())
}

/// Whether results belong to a variant: by their settings, or by their name if only the name was
/// recorded and it is unique.
fn belongs_to(summary: &Summary, variant: &Variant, plan: &Plan) -> Result<bool> {
    let run = &summary.runs[0];
    let Some(identity) = &run.identity else {
        let label = variant.label()?;
        let same = plan
            .variants
            .iter()
            .filter(|v| v.label().is_ok_and(|own| own == label));
        return Ok(run.method == label && same.count() == 1);
    };
    let config = variant.at(run.learning_rate)?;
    Ok(variant.learning_rates.contains(&run.learning_rate)
        && config.key_settings(&variant.method)? == identity.settings)
}

/// Groups the results of a variant by content: rows or a model that changed in between give another
/// curve.
fn grouped<'a>(label: &str, pictures: &'a [String], results: Vec<&'a Summary>) -> Vec<Group<'a>> {
    let contents = |summary: &'a Summary| summary.runs[0].identity.as_ref().map(|i| &i.contents);
    let mut groups: Vec<Group<'a>> = Vec::new();
    for summary in results {
        let same = |group: &&mut Group<'a>| contents(group.rates[0]) == contents(summary);
        match groups.iter_mut().find(same) {
            Some(group) => group.rates.push(summary),
            None => groups.push(Group {
                label: label.to_string(),
                pictures,
                rates: vec![summary],
            }),
        }
    }
    let apart = groups.len() > 1;
    for group in &mut groups {
        group
            .rates
            .sort_by(|a, b| a.learning_rate.total_cmp(&b.learning_rate));
        if apart {
            let read =
                contents(group.rates[0]).map_or("of an earlier version".to_string(), |read| {
                    format!(
                        "rows {}, weights {}",
                        shortened(&read.rows),
                        shortened(&read.model_weights)
                    )
                });
            group.label = format!("{label} ({read})");
        }
    }
    groups
}

/// A variant at all its learning rates.
struct Group<'a> {
    label: String,
    pictures: &'a [String],
    rates: Vec<&'a Summary>,
}

impl Group<'_> {
    fn best_rate(&self) -> Option<f64> {
        self.rates
            .iter()
            .filter_map(|s| Some((s.learning_rate, s.figure(metrics::average_accuracy)?.0)))
            .max_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(rate, _)| rate)
    }
}

fn table(groups: &[Group<'_>], markdown: bool) -> String {
    let mut table = empty_table(markdown);
    let columns = columns(groups);
    let header = [
        "variant",
        "lr",
        "seeds",
        "free",
        "learning",
        "retained %",
        "AA",
        "BWT",
        "general",
    ];
    let names = columns.iter().map(|figure| figure.name.as_str());
    table.set_header(header.into_iter().chain(names));
    for group in groups {
        for summary in &group.rates {
            let bold = markdown && group.best_rate() == Some(summary.learning_rate);
            let shown = |value: Option<(f64, f64)>| {
                let text = match value {
                    None => "–".to_string(),
                    Some((mean, _)) if summary.runs.len() == 1 => format!("{mean:.1}"),
                    Some((mean, deviation)) => format!("{mean:.1} ± {deviation:.1}"),
                };
                if bold { format!("**{text}**") } else { text }
            };
            let cells = [
                group.label.clone(),
                format!("{:.0e}", summary.learning_rate),
                summary.runs.len().to_string(),
                summary.runs[0].trainable_parameters.to_string(),
                shown(summary.figure(metrics::learning_accuracy)),
                shown(summary.figure(metrics::retention)),
                shown(summary.figure(metrics::average_accuracy)),
                shown(summary.figure(metrics::backward_transfer)),
                shown(summary.general_after()),
            ];
            let own = columns.iter().map(|figure| summary.method_cell(figure));
            table.add_row(cells.into_iter().chain(own));
        }
    }
    with_numbers(table)
}

/// The methods' own figures.
fn columns<'a>(groups: &'a [Group<'_>]) -> Vec<&'a Figure> {
    Summary::columns(groups.iter().flat_map(|group| group.rates.iter().copied()))
}

fn csv(groups: &[Group<'_>]) -> Result<String> {
    let mut csv = csv::Writer::from_writer(Vec::new());
    let columns = columns(groups);
    let header = [
        "variant",
        "learning_rate",
        "seeds",
        "free",
        "learning",
        "learning_sd",
        "retained",
        "retained_sd",
        "aa",
        "aa_sd",
        "bwt",
        "bwt_sd",
        "general",
        "general_sd",
    ];
    let names = columns.iter().map(|figure| figure.name.as_str());
    csv.write_record(header.into_iter().chain(names))?;
    for group in groups {
        for summary in &group.rates {
            let mut row = vec![
                group.label.clone(),
                format!("{:e}", summary.learning_rate),
                summary.runs.len().to_string(),
                summary.runs[0].trainable_parameters.to_string(),
            ];
            let figures = [
                summary.figure(metrics::learning_accuracy),
                summary.figure(metrics::retention),
                summary.figure(metrics::average_accuracy),
                summary.figure(metrics::backward_transfer),
                summary.general_after(),
            ];
            for figure in figures {
                let (mean, deviation) = figure.unzip();
                let number = |v: Option<f64>| v.map_or(String::new(), |v| format!("{v:.3}"));
                row.extend([number(mean), number(deviation)]);
            }
            let figures = columns.iter().map(|figure| summary.method_figure(figure));
            row.extend(figures.map(|value| value.map_or(String::new(), |v| format!("{v:.4e}"))));
            csv.write_record(row)?;
        }
    }
    Ok(String::from_utf8(csv.into_inner()?)?)
}

/// A picture of retention against learning accuracy, one curve per variant over its learning rates;
/// `None` if no variant learned anything.
fn picture(name: &str, groups: &[Group<'_>]) -> Result<Option<String>> {
    let lines: Vec<Curve<'_>> = groups
        .iter()
        .filter(|group| group.pictures.iter().any(|own| own == name))
        .map(|group| {
            let (mut points, mut spread) = (Vec::new(), Vec::new());
            for summary in &group.rates {
                let learning = summary.figure(metrics::learning_accuracy);
                let retained = summary.figure(metrics::retention);
                if let (Some((x, _)), Some((y, deviation))) = (learning, retained) {
                    points.push((x, y));
                    spread.push(deviation);
                }
            }
            Curve {
                label: &group.label,
                points,
                spread,
            }
        })
        .collect();
    if lines.iter().all(|line| line.points.is_empty()) {
        return Ok(None);
    }
    let svg = curves(&CurvesPicture {
        title: &format!("Retention against learning: {name}"),
        x_label: "learning: mean score right after each task",
        y_label: "retained after the last task, %",
        x_ticks: &[],
        y_range: (0.0, 100.0),
        curves: &lines,
    })?;
    Ok(Some(svg))
}
