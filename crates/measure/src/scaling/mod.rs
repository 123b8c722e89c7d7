//! `experiments scaling`: how time and memory grow, fitted to measurements of `bench`.

mod axis;
mod page;
mod power;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use report::record::{Manifest, RunFolder};

use crate::bench::Case;
use axis::{Axis, along};

#[derive(Deserialize)]
struct Bench {
    manifest: Manifest,
    cases: Vec<Case>,
}

/// Fits exponents to measurements and prints tables; with `out`, also writes them with pictures.
/// `benches` are folders that a bench wrote.
///
/// # Errors
///
/// If a folder cannot be read or written, or nothing was measured at three positions.
pub fn run(benches: &[PathBuf], out: Option<&Path>) -> Result<()> {
    let benches = benches.iter().map(|folder| read(folder));
    let benches = benches.collect::<Result<Vec<Bench>>>()?;
    let parts = benches
        .into_iter()
        .map(|bench| (bench.manifest, bench.cases));
    let (manifests, cases): (Vec<Manifest>, Vec<Vec<Case>>) = parts.unzip();
    let measured: Vec<_> = Axis::ALL
        .into_iter()
        .map(|axis| (axis, along(axis, &cases)))
        .filter(|(_, series)| !series.is_empty())
        .collect();
    ensure!(
        !measured.is_empty(),
        "nothing was measured in three places: bench with three widths (--shape \
         llama-256x2,llama-512x2,llama-1024x2), numbers of tokens, tasks or shares"
    );
    for (axis, series) in &measured {
        println!("{}", page::section(*axis, series, false)?);
    }
    let Some(out) = out else {
        return Ok(());
    };
    let folder = RunFolder::create(Some(out), "scaling")?;
    let manifest = Manifest::new("What grows how fast".to_string(), "as measured");
    let mut text = String::new();
    writeln!(text, "# {}\n", manifest.title)?;
    for (axis, series) in &measured {
        let name = axis.name().replace(' ', "-");
        folder.write(
            &format!("{name}.svg"),
            page::picture(*axis, series)?.as_bytes(),
        )?;
        writeln!(text, "## By {}\n", axis.name())?;
        writeln!(text, "![Step time by {}]({name}.svg)\n", axis.name())?;
        writeln!(text, "{}", page::section(*axis, series, true)?)?;
    }
    writeln!(text, "{}\n\n{}\n", page::LEGEND, manifest.origin())?;
    writeln!(text, "The measurements:\n")?;
    for (number, measured) in (1..).zip(&manifests) {
        writeln!(
            text,
            "    {}\n\n{number}: revision `{}`, backend {}, {} cores.\n",
            measured.command_line(),
            measured.revision,
            measured.backend,
            measured.cores
        )?;
    }
    folder.write("report.md", text.as_bytes())?;
    println!("report: {}", folder.path().join("report.md").display());
    Ok(())
}

fn read(folder: &Path) -> Result<Bench> {
    let path = folder.join("bench.json");
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read {}: expected a folder that `experiments bench --out` wrote",
            path.display()
        )
    })?;
    let bench: Bench =
        serde_json::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    for row in bench.cases.iter().flat_map(|case| &case.rows) {
        ensure!(
            !row.step_seconds.is_empty(),
            "in {}: {} has no timed round",
            path.display(),
            row.label
        );
        ensure!(
            row.step_seconds
                .iter()
                .all(|seconds| *seconds > 0.0 && seconds.is_finite()),
            "in {}: a step of {} took no positive number of seconds",
            path.display(),
            row.label
        );
    }
    Ok(bench)
}
