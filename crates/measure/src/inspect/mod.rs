//! `experiments inspect`: what a split would protect in a model, and what its free directions
//! contain.

mod held_out;
mod probe;
mod shares;
mod spectra;

use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use burn::module::Module;
use continual::methods::OSFT;
use continual::{Passes, SampleCheck, SampleSize, calibrate, check_sample};
use lm::{HfFolder, Model, TextTokenizer};
use osft::{
    Calibration, Calibrator, Combine, MomentConfig, Osft, OsftConfig, Scaling, SplitContext,
    SplitSource, Targets,
};
use report::record::{Manifest, RunFolder};
use runs::base::calibration::{generate, read_text};
use runs::data::builtin;
use runs::settings::{Overrides, RunConfig};
use runs::{Backend, Registries};
use toml::{Table, Value};

/// The settings of an inspection.
#[derive(Clone, Debug)]
pub struct InspectRequest {
    /// Folder of the model; by default the built-in model.
    pub model: Option<PathBuf>,
    /// Text file to run the model on; by default the model generates the text.
    pub text: Option<PathBuf>,
    /// Number of texts.
    pub rows: usize,
    /// Maximum length of a text in tokens.
    pub tokens: usize,
    /// Settings of methods; only OSFT's are used.
    pub methods: Table,
    /// Patterns of the targets; if empty, those of the settings.
    pub targets: Vec<String>,
    /// Whether to run the truncation probe.
    pub probe: bool,
    /// Find a share for every target at which cutting its free directions costs at most so many nats per token.
    pub shares_by_loss: Option<f64>,
    /// Compute backend.
    pub backend: Backend,
    /// Folder of the report.
    pub out: Option<PathBuf>,
}

/// Rows per forward pass.
const BATCH: usize = 16;

/// Prints the split, its spectra and the truncation probe.
///
/// # Errors
///
/// A model or text that cannot be read, a split that fails, a folder that cannot be written.
pub fn run(registries: &Registries, args: &InspectRequest) -> Result<()> {
    let (config, label) = split_config(registries, args)?;
    ensure!(
        args.shares_by_loss.is_none() || config.scaling == Scaling::Hard,
        "--shares-by-loss cuts free directions, and with scaling = {:?} none of them is free or protected as a whole: set \
         scaling = \"hard\"",
        config.scaling.name()
    );
    let device = match config.split.needs_gradients() {
        true => args.backend.device()?.autodiff(),
        false => args.backend.device()?,
    };
    let path = match &args.model {
        Some(path) => path.clone(),
        None => builtin::model(registries, "trace")?,
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
    let source = HfFolder::open(runs::model_folder(&path)?)?;
    let tokenizer = source.tokenizer()?;
    let loaded = source.load(&device)?;
    for line in tokenizer.warnings().iter().chain(&loaded.warnings) {
        println!("model: {line}");
    }
    let model = loaded.model;
    let (examples, probed) = texts(args, &model, (&tokenizer, source.embeddings()))?;
    let measures_loss = args.probe || args.shares_by_loss.is_some();
    ensure!(
        !measures_loss || !probed.is_empty(),
        "{} texts are too few: every fifth is kept to measure the loss on; give more, or --no-probe",
        examples.len()
    );
    let passes = Passes {
        batch: BATCH,
        sums_on_device: !args.backend.is_processor(),
    };
    let sample = check_sample(&model, &config, "text", &examples, passes, (0, 1))?;
    let calibrator = Calibrator::for_config(&model, &config)?;
    let calibrator = spectra::MEASURES.into_iter().fold(
        calibrator.with_sums_on_device(passes.sums_on_device),
        Calibrator::with_importance,
    );
    let calibration = calibrate(&model, calibrator, "text", &examples, BATCH)?;
    // A split of what any source needs reads the union, of this one source here.
    let calibration = Calibration::joined(None, calibration, &config, 0, 1)?;
    let context = SplitContext::new().with_calibration(&calibration);
    let split = Osft::split_in(&model, &config, &context)?;

    let title = format!(
        "{} of {}: {} parameters, {} texts {}",
        label,
        name.unwrap_or_else(|| "the model".to_string()),
        model.num_params(),
        examples.len() + probed.len(),
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

    let held_out = held_out::table(&sample);
    println!("{}\n\n{held_out}\n", held_out::LEGEND);
    if let Some(warning) = sample.warning() {
        println!("warning: {warning}\n");
    }

    let probe = match args.probe {
        false => None,
        true => Some(probe::run(&model, &config, &context, &probed)?),
    };
    if let Some(probe) = &probe {
        println!("{}", probe.table());
    }
    let shares = match args.shares_by_loss {
        None => None,
        Some(limit) => {
            let paths = split.layers().iter().map(|layer| layer.path.clone());
            let paths: Vec<String> = paths.collect();
            let found = shares::find(&model, &config, &context, &probed, &paths, limit)?;
            Some(found)
        }
    };
    if let Some(shares) = &shares {
        println!("{}\n\n{}\n", shares::LEGEND, shares.table());
    }
    if let Some(folder) = folder {
        let shown = Findings {
            split: &split,
            weights: &weights,
            inputs: &inputs,
            table: &table,
            sample: &sample,
            held_out: &held_out,
            probe: probe.as_ref(),
            shares: shares.as_ref(),
            config: &config,
        };
        write(&folder, args, &title, &shown)?;
        println!("\nreport: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

/// The split of OSFT's settings, and its name.
fn split_config(registries: &Registries, args: &InspectRequest) -> Result<(OsftConfig, String)> {
    let flags = Table::from_iter([("methods".to_string(), Value::Table(args.methods.clone()))]);
    let overrides = Overrides {
        flags,
        ..Overrides::default()
    };
    let settings = RunConfig::resolve(registries, "trace", args.model.is_some(), &overrides)?;
    let config: OsftConfig = settings.method(OSFT).clone().try_into()?;
    let mut config = config.with_rules(&registries.share_rules)?;
    if !args.targets.is_empty() {
        config.targets = Targets::matching(args.targets.iter().cloned());
    }
    Ok((config, settings.label(OSFT)?))
}

/// Texts to calibrate on, and other texts for the truncation probe.
fn texts(
    args: &InspectRequest,
    model: &Model,
    vocabulary: (&TextTokenizer, Option<usize>),
) -> Result<(Vec<lm::Example>, Vec<lm::Example>)> {
    let (rows, tokens) = (SampleSize::Rows(args.rows), args.tokens);
    let all = match &args.text {
        Some(path) => read_text(path, vocabulary.0, rows, tokens)?,
        None => generate(model, vocabulary, rows, tokens),
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
    let config = of_source(config, source).with_protected_share(0.0);
    let context = SplitContext::new().with_calibration(calibration);
    Ok(Osft::split_in(model, &config, &context)?)
}

/// The configuration with another source, for hard splits of a single source: the split by the weights reads no moment, and
/// spectra and truncation know no scaled directions and no united sources.
fn of_source(config: &OsftConfig, source: SplitSource) -> OsftConfig {
    let moment = match source {
        SplitSource::Weights => MomentConfig::default(),
        _ => config.moment,
    };
    let config = config.clone().with_split(source).with_moment(moment);
    let alpha = OsftConfig::new().scaling_alpha;
    let config = config.with_scaling(Scaling::Hard).with_scaling_alpha(alpha);
    config.with_combine(Combine::Mean)
}

/// The content of the report.
struct Findings<'a> {
    split: &'a Osft,
    weights: &'a Osft,
    inputs: &'a Osft,
    table: &'a str,
    sample: &'a SampleCheck,
    held_out: &'a str,
    probe: Option<&'a probe::Probe>,
    shares: Option<&'a shares::Shares>,
    config: &'a OsftConfig,
}

fn write(
    folder: &RunFolder,
    args: &InspectRequest,
    title: &str,
    shown: &Findings<'_>,
) -> Result<()> {
    let Findings {
        split,
        weights,
        inputs,
        table,
        sample,
        held_out,
        probe,
        shares,
        ..
    } = shown;
    let computed_by = args.backend.describe(&args.backend.device()?);
    let manifest = Manifest::new(title.to_string(), &computed_by);
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
    writeln!(
        page,
        "## Whether the texts are enough\n\n{}\n",
        held_out::LEGEND
    )?;
    writeln!(page, "```text\n{held_out}\n```\n")?;
    if let Some(warning) = sample.warning() {
        writeln!(page, "Warning: {warning}.\n")?;
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
    if let Some(shares) = shares {
        shares.write(folder, shown.config)?;
        writeln!(page, "## Shares by loss\n\n{}\n", shares::LEGEND)?;
        writeln!(page, "```text\n{}\n```\n", shares.table())?;
    }
    writeln!(page, "{}", manifest.origin())?;
    folder.write("report.md", page.as_bytes())
}
