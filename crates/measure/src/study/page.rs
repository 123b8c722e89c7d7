//! The report of a study: a table of all variants, and pictures of retention against learning
//! accuracy.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use continual::metrics;

use report::page::{
    Summary, empty_table, likelihood_section, meanings, several_revisions, summarize, with_numbers,
};
use report::picture::{Curve, CurvesPicture, curves};
use report::record::{DivergedRun, Manifest, RunResult};
use runs::Registries;

use super::csv::csv;
use super::groups::{Group, belongs_to, columns, diverged_of, grouped};
use super::plan::{Plan, labels, picture_file};
use crate::batch::own_folder;

const LEGEND: &str = "\
Learning `1/T Σ R[j][j]`: the mean score right after each task. Retained \
`100/(T-1) Σ_{j<T} R[T][j] / R[j][j]`: the share of it that is left after the last task, over the tasks of which something \
was learned. Both and BWT are of methods that learn one task after another. AA, BWT: as in every report. General: the knowledge probe after the last task, where it was asked. Free: degrees of freedom \
that training had, of the targets' (for plain fine-tuning: of all). ± is the standard deviation over seeds. In bold, \
for every variant, the learning rate with the highest AA (the lowest of equals) among those with as many seeds as any of \
its rates and without a run that diverged.";

/// Writes `report.md`, `study.csv` and one picture per group of variants into the study's folder. `set` are the settings
/// that it was run with, over those of the plan.
///
/// # Errors
///
/// A plan or results that cannot be read, a folder that cannot be written.
pub fn report(registries: &Registries, plan: &Path, set: &[String], out: &Path) -> Result<()> {
    let plan = Plan::read(registries, plan, set)?;
    let folder = own_folder(out, &super::OTHERS)?;
    let diverged = DivergedRun::read_all(out)?;
    let results = match diverged.is_empty() {
        true => RunResult::read_all(out)?,
        false => RunResult::read_any(out)?,
    };
    let summaries = summarize(&results)?;
    let labels = labels(&plan.variants)?;
    // The folder may hold seeds of another plan.
    let all = summaries.iter();
    let summaries: Vec<Summary> = all.filter_map(|own| own.over(&plan.seeds)).collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut shown = vec![false; summaries.len()];
    let mut diverged_here = Vec::new();
    for (variant, label) in plan.variants.iter().zip(&labels) {
        let mut own = Vec::new();
        for (summary, shown) in summaries.iter().zip(&mut shown) {
            if belongs_to(summary, variant, &plan)? {
                own.push(summary);
                *shown = true;
            }
        }
        let failed = diverged_of(variant, &plan.seeds, &diverged)?;
        groups.extend(grouped((variant, label), &plan.seeds, &own, &failed));
        diverged_here.extend(failed);
    }
    let of_plan = summaries.iter().zip(&shown).filter(|(_, shown)| **shown);
    let of_plan: Vec<Summary> = of_plan.map(|(summary, _)| summary.clone()).collect();
    let scored: usize = of_plan.iter().map(|summary| summary.runs.len()).sum();
    // Variants with the same settings would show the same run twice.
    let shown_here = scored + diverged_here.len();
    let stray = (results.len() + diverged.len()).saturating_sub(shown_here);
    if stray > 0 {
        eprintln!(
            "warning: {stray} of {} runs in {} are of no variant, rate and seed of the plan, and are not shown",
            results.len() + diverged.len(),
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
    let shown = groups.iter().flat_map(Group::scored);
    let meanings = meanings(shown);
    // Where the rows have changed, the groups have names of their own.
    if groups.len() == plan.variants.len()
        && let Some(split) = scored_split(&of_plan, &plan)
    {
        writeln!(page, "Scores are of the {split} rows.\n")?;
    }
    writeln!(page, "{}\n\n{LEGEND}{meanings}\n", table(&groups, true))?;
    if let Some(section) = likelihood_section(&of_plan) {
        page.push_str(&section);
    }
    for run in diverged_here {
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

/// The rows that were scored, in words: those that the results name, or the plan's where none of them does; `None` if they
/// name several.
fn scored_split<'a>(shown: &'a [Summary], plan: &'a Plan) -> Option<&'a str> {
    let runs = shown.iter().flat_map(|summary| &summary.runs);
    let named: BTreeSet<&str> = runs.map(|run| run.scored.as_str()).collect();
    let mut named = named.into_iter().filter(|split| !split.is_empty());
    match (named.next(), named.next()) {
        (None, _) => Some(plan.rows.name()),
        (Some(split), None) => Some(split),
        _ => None,
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
        for at in &group.rates {
            let Some(summary) = at.scored else {
                table.add_row([group.label.clone(), format!("{:e}", at.rate), at.seeds()]);
                continue;
            };
            let bold = markdown && group.best_rate() == Some(at.rate);
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
                format!("{:e}", summary.learning_rate),
                at.seeds(),
                summary.trainable(),
                shown(summary.sequential_figure(metrics::learning_accuracy)),
                shown(summary.sequential_figure(metrics::retention)),
                shown(summary.figure(metrics::average_accuracy)),
                shown(summary.sequential_figure(metrics::backward_transfer)),
                shown(summary.general_after()),
            ];
            let own = columns.iter().map(|figure| summary.method_cell(figure));
            table.add_row(cells.into_iter().chain(own));
        }
    }
    with_numbers(table)
}

/// A picture of retention against learning accuracy, one curve per variant over its learning rates;
/// `None` if no variant learned anything.
fn picture(name: &str, groups: &[Group<'_>]) -> Result<Option<String>> {
    let lines: Vec<Curve<'_>> = groups
        .iter()
        .filter(|group| group.pictures.iter().any(|own| own == name))
        .map(|group| {
            let (mut points, mut spread) = (Vec::new(), Vec::new());
            for summary in group.scored() {
                let learning = summary.sequential_figure(metrics::learning_accuracy);
                let retained = summary.sequential_figure(metrics::retention);
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
