//! The report of a comparison.

use std::fmt::Write;

use anyhow::Result;
use report::page::{format_table, likelihood_section, several_revisions};
use report::record::{Manifest, REVISION, RunFolder, RunResult};

use super::entry::{Entry, distance, kept};
use super::rates::CLOSE;
use super::statistics::rank_correlation;
use super::{csv, pictures, suites, table};

const LEGEND: &str = "\
With `T` tasks and `R[i][j]` the score on task `j` after learning `i` tasks (0–100): AA `1/T Σ R[T][j]`; BWT \
`1/(T-1) Σ_{j<T} (R[T][j] - R[j][j])`; FWT `1/(T-1) Σ_{j>1} (R[j-1][j] - R[0][j])`; forgetting \
`1/(T-1) Σ_{j<T} (max_{j≤t<T} R[t][j] - R[T][j])`; learning `1/T Σ R[j][j]`; kept `100 AA / learning`. General: the \
knowledge probe before → after. In format: share of the answers after the last task that are among the answers \
that their task allows, right or wrong, where a task has a list of them. Trainable: numbers that training could \
change independently. Carried: what the method hands from task to task beside the model, measured after the \
first and after the last task. Distance: Frobenius norm of the change of all parameters since the base model. \
Seconds: training, split and calibration over all tasks. A changing number of other runs shared the cores, so that \
the seconds of two methods cannot be compared; `bench` times their steps side by side. lr: peak learning rate, \
*tuned* where it was found on validation rows with these settings. ± is the standard deviation over seeds.";

const SECOND_COMPARISON: &str = "\
The second comparison is with the highest AA among the methods that learn one task after another, have as many seeds as \
any, and have no run that diverged.";

const BEST_IS_REFERENCE: &str = "\
There is no second comparison: this one is with the highest AA among the methods that learn one task after another.";

const NONE_IS_BEST: &str = "\
There is no second comparison: no method that learns one task after another has as many seeds as any, and no run that \
diverged.";

/// What the report is about.
pub struct Page<'a> {
    /// Its title.
    pub title: &'a str,
    /// Remarks on model and data, in sentences.
    pub remarks: &'a [String],
    /// The split whose rows are scored, in words.
    pub scored: &'a str,
    /// The backend and its device.
    pub computed_by: &'a str,
    /// The methods.
    pub entries: &'a [Entry],
    /// The method that the others are compared with.
    pub reference: usize,
}

impl Page<'_> {
    /// Writes `report.md`, its pictures, and `compare.csv` with every run.
    ///
    /// # Errors
    ///
    /// If a picture cannot be drawn or the folder cannot be written.
    pub fn write(&self, folder: &RunFolder) -> Result<()> {
        let entries = self.entries;
        folder.write("compare.csv", csv::csv(entries)?.as_bytes())?;
        let mut page = format!(
            "# {}\n\n{}\n\n{LEGEND}\n\n",
            self.title,
            table::methods(entries, true)
        );
        let drawn = [
            (
                "kept.svg",
                "What is kept, against what is learned",
                pictures::against_learning(entries)?,
            ),
            (
                "distance.svg",
                "What is kept, against how far the model moved",
                pictures::against_distance(entries)?,
            ),
        ];
        for (file, title, svg) in drawn {
            if let Some(svg) = svg {
                folder.write(file, svg.as_bytes())?;
                writeln!(page, "![{title}]({file})\n")?;
            }
        }
        self.differences(&mut page)?;
        if let Some(section) = suites::section(entries)? {
            writeln!(page, "## General ability\n\n{section}")?;
        }
        if let Some(table) = table::safe_rates(entries) {
            writeln!(
                page,
                "## Safe learning rates\n\nLearning rates at which a method ends within {CLOSE} points of the best \
                 that it reaches at any of them, in AA and in general knowledge: means over the seeds that it was run \
                 with at all of them, as in the pictures. A rate at which a run diverged, with whatever seed, is not \
                 safe.\n\n{table}\n"
            )?;
        }
        self.correlations(&mut page)?;
        let summaries = entries.iter().filter_map(Entry::scored);
        if let Some(section) = likelihood_section(summaries.clone()) {
            writeln!(page, "## Labels by their likelihood\n\n{section}")?;
        }
        if let Some(table) = format_table(summaries, true) {
            writeln!(page, "## Answers in the right format\n\n{table}\n")?;
        }
        self.lacking(&mut page)?;
        for line in self.remarks {
            writeln!(page, "{line}\n")?;
        }
        let runs = entries.iter().flat_map(Entry::runs);
        let scored = runs.filter_map(|run| run.revision.as_deref());
        let rates = entries.iter().flat_map(|entry| &entry.rates);
        let diverged = rates
            .flat_map(|at| &at.diverged)
            .map(|run| run.revision.as_str());
        // The program that writes the page is named below as if it had made them.
        let revisions = scored.chain(diverged).chain([REVISION]);
        if let Some(notes) = several_revisions(revisions) {
            writeln!(page, "{notes}\n")?;
        }
        let origin = Manifest::new(self.title.to_string(), self.computed_by).origin();
        writeln!(
            page,
            "{origin} The runs, one file each, are `result-*.json` and `diverged-*.json`; every planned run, \
             with its figures, is in `compare.csv`."
        )?;
        folder.write("report.md", page.as_bytes())
    }

    fn differences(&self, page: &mut String) -> Result<()> {
        // While runs are missing, the mean of a method over fewer seeds is not the same figure.
        let most = self.entries.iter().map(Entry::scored_seeds).max();
        let comparable = |entry: &Entry| {
            entry.is_sequential() && !entry.diverged() && Some(entry.scored_seeds()) == most
        };
        let sequential = self.entries.iter().enumerate();
        let sequential = sequential.filter(|(_, entry)| comparable(entry));
        let best = sequential
            .filter_map(|(place, entry)| Some((place, entry.accuracy()?)))
            .reduce(|best, other| if other.1 > best.1 { other } else { best })
            .map(|(place, _)| place);
        let table = table::differences(self.entries, self.reference, best)?;
        writeln!(
            page,
            "## Differences\n\nIn pairs: the same rows after the same seeds. The interval of 95 % spans two: that of 10000 \
             differences over seeds and {} rows that are drawn anew, with replacement, and Student's interval of the \
             mean over seeds. The first is too narrow with few seeds, the second knows nothing of the rows. With one \
             seed there is only the first, and it holds the chance of rows alone. {}\n\n{table}\n",
            self.scored,
            match best {
                Some(best) if best == self.reference => BEST_IS_REFERENCE,
                Some(_) => SECOND_COMPARISON,
                None => NONE_IS_BEST,
            }
        )?;
        Ok(())
    }

    fn correlations(&self, page: &mut String) -> Result<()> {
        let pairs = |runs: &mut dyn Iterator<Item = &RunResult>| {
            let mut pairs = Vec::new();
            for run in runs {
                if let (Some(kept), Some(distance)) = (kept(&run.matrix()?), distance(run)) {
                    pairs.push((kept, distance));
                }
            }
            anyhow::Ok(pairs)
        };
        let sequential = || self.entries.iter().filter(|entry| entry.is_sequential());
        let all = pairs(&mut sequential().flat_map(Entry::runs))?;
        let Some(over_all) = rank_correlation(&all) else {
            return Ok(());
        };
        let mut within = Vec::new();
        for entry in sequential() {
            let own = pairs(&mut entry.runs())?;
            if let Some(correlation) = rank_correlation(&own) {
                within.push(format!("{} {correlation:.2} ({})", entry.label, own.len()));
            }
        }
        write!(
            page,
            "## Kept and distance\n\nSpearman's rank correlation of kept with distance over all {} runs of the \
             methods that learn one task after another: {over_all:.2}.",
            all.len()
        )?;
        if !within.is_empty() {
            write!(
                page,
                " Within a method (number of runs): {}.",
                within.join("; ")
            )?;
        }
        page.push_str("\n\n");
        Ok(())
    }

    /// Says which runs diverged and how many are not there.
    fn lacking(&self, page: &mut String) -> Result<()> {
        for entry in self.entries {
            for run in entry.rates.iter().flat_map(|at| &at.diverged) {
                writeln!(
                    page,
                    "Diverged: {} at {:e} with seed {}: {}.\n",
                    entry.label, run.learning_rate, run.seed, run.reason
                )?;
            }
            let missing: usize = entry.rates.iter().map(|at| at.missing.len()).sum();
            if missing > 0 {
                writeln!(page, "Not run yet: {missing} runs of {}.\n", entry.label)?;
            }
        }
        Ok(())
    }
}
