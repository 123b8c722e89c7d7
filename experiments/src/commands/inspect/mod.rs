//! `experiments inspect`: what a split would protect in a model, and what the rest carries.

mod probe;
mod spectra;

use std::fmt::Write;

use anyhow::{Context, Result};
use burn::module::Module;
use continual::calibrate;
use lm::{HfFolder, Model, TextTokenizer};
use osft::{Calibration, Calibrator, Osft, OsftConfig, SplitContext, SplitSource, Targets};

use super::sequence::calibration::{generate, read_text};
use crate::builtin;
use crate::cli::InspectArgs;
use crate::config::{BenchmarkName, Overrides, RunConfig};
use crate::run::{Manifest, RunFolder};
use crate::variant::label;

/// Rows per forward pass.
const BATCH: usize = 16;

/// Prints the split, the spectra behind it and the truncation probe.
pub fn run(args: &InspectArgs) -> Result<()> {
    let config = split_config(args)?;
    let device = args.backend.device()?;
    let path = match &args.model {
        Some(path) => path.clone(),
        None => builtin::model(BenchmarkName::Trace)?,
    };
    let name = match &args.model {
        Some(path) => path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned()),
        None => Some("the built-in model".to_string()),
    };
    let folder = match &args.out {
        Some(out) => Some(RunFolder::create(Some(out), "inspect")?),
        None => None,
    };
    let source = HfFolder::open(path)?;
    let tokenizer = source.tokenizer()?;
    let loaded = source.load(&device)?;
    for line in tokenizer.warnings().iter().chain(&loaded.warnings) {
        println!("model: {line}");
    }
    let model = loaded.model;
    let (examples, held_out) = texts(args, &model, &tokenizer)?;
    let calibrator = spectra::MEASURES.into_iter().fold(
        Calibrator::new(&model, &config.targets)?,
        Calibrator::with_importance,
    );
    let calibration = calibrate(&model, calibrator, "text", &examples, BATCH)?;
    let context = SplitContext::new().with_calibration(&calibration);
    let split = Osft::split_in(&model, &config, &context)?;

    let title = format!(
        "{} of {}: {} parameters, {} texts {}",
        label(&config),
        name.unwrap_or_else(|| "the model".to_string()),
        model.num_params(),
        examples.len() + held_out.len(),
        match &args.text {
            Some(path) => format!("of {}", path.display()),
            None => "that it generated itself".to_string(),
        }
    );
    println!("{title}\n\n{split}\n");
    let weights = spectra_of(&model, &config, &calibration, SplitSource::Weights)?;
    let inputs = spectra_of(&model, &config, &calibration, SplitSource::Inputs)?;
    let table = spectra::table(&weights, &inputs, &calibration)?;
    println!("Directions, in percent, that hold 90 / 99 % of the energy; importance:\n{table}\n");

    let probe = match args.no_probe {
        true => None,
        false => Some(probe::run(&model, &config, &context, &held_out)?),
    };
    if let Some(probe) = &probe {
        println!("{}", probe.table());
    }
    if let Some(folder) = folder {
        let shown = Shown {
            split: &split,
            weights: &weights,
            inputs: &inputs,
            table: &table,
            probe: probe.as_ref(),
        };
        write(&folder, args, &title, &shown)?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

fn split_config(args: &InspectArgs) -> Result<OsftConfig> {
    let defaults = RunConfig::resolve(
        BenchmarkName::Trace,
        args.model.is_some(),
        &Overrides::default(),
    )?;
    let mut config = args.osft.applied_to(&defaults.osft)?;
    if !args.target.is_empty() {
        config.targets = Targets::matching(args.target.iter().cloned());
    }
    Ok(config)
}

/// Texts to calibrate on, and others for the truncation probe.
fn texts(
    args: &InspectArgs,
    model: &Model,
    tokenizer: &TextTokenizer,
) -> Result<(Vec<lm::Example>, Vec<lm::Example>)> {
    let (rows, tokens) = (args.rows as usize, args.tokens as usize);
    let all = match &args.text {
        Some(path) => read_text(path, tokenizer, rows, tokens)?,
        None => generate(model, tokenizer, rows, tokens),
    };
    let mut parts = (Vec::new(), Vec::new());
    for (index, example) in all.into_iter().enumerate() {
        match index % 5 {
            4 => parts.1.push(example),
            _ => parts.0.push(example),
        }
    }
    Ok(parts)
}

fn spectra_of(
    model: &Model,
    config: &OsftConfig,
    calibration: &Calibration,
    source: SplitSource,
) -> Result<Osft> {
    let config = config.clone().with_split(source).with_protected_share(0.0);
    let context = SplitContext::new().with_calibration(calibration);
    Ok(Osft::split_in(model, &config, &context)?)
}

/// What a report shows.
struct Shown<'a> {
    split: &'a Osft,
    weights: &'a Osft,
    inputs: &'a Osft,
    table: &'a str,
    probe: Option<&'a probe::Probe>,
}

fn write(folder: &RunFolder, args: &InspectArgs, title: &str, shown: &Shown<'_>) -> Result<()> {
    let Shown {
        split,
        weights,
        inputs,
        table,
        probe,
    } = shown;
    let manifest = Manifest::new(title.to_string(), args.backend.name());
    let mut page = String::new();
    writeln!(page, "# {title}\n\n```text\n{split}\n```\n")?;
    writeln!(page, "## Spectra\n")?;
    writeln!(
        page,
        "Share of the directions, in percent, that holds 90 / 99 % of the energy, mean over blocks: \
         of the weight's squared singular values, and of the second moment of its inputs; importance of \
         the layers, relative to the mean.\n"
    )?;
    writeln!(page, "```text\n{}\n```\n", table)?;
    for (file, what, spectrum) in [
        ("weights.svg", "weights", weights),
        ("inputs.svg", "inputs", inputs),
    ] {
        let picture = spectra::picture(what, spectrum).context("cannot draw the spectra")?;
        folder.write(file, picture.as_bytes())?;
        writeln!(
            page,
            "![Energy held by the {what}' largest directions]({file})\n"
        )?;
    }
    if let Some(probe) = probe {
        folder.write("truncation.svg", probe.picture()?.as_bytes())?;
        writeln!(page, "## Truncation probe\n\n{}\n", probe::LEGEND)?;
        writeln!(page, "```text\n{}\n```\n", probe.table())?;
        writeln!(
            page,
            "![Loss without the smallest directions](truncation.svg)\n"
        )?;
    }
    writeln!(page, "{}", manifest.origin())?;
    folder.write("report.md", page.as_bytes())
}
