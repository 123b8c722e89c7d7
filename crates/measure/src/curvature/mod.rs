//! `experiments curvature`: whether large singular values of a weight, or large eigenvalues of its inputs, mean large
//! curvature of the loss.
//!
//! OSFT protects top singular directions since the loss is assumed to be curved there. Here the curvature is measured: by
//! central differences of the loss along single directions of single weights.

mod along;
mod directions;
mod inputs;
mod layer;
mod measured;
mod page;
mod picture;
mod rank;
mod record;
mod rows;
mod weight;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use burn::module::Module;
use continual::{ContinualError, SampleSize};
use lm::{Example, HfFolder, LanguageModel, Model};
use osft::{SelectedTarget, Targets};
use report::record::{Manifest, RunFolder};
use runs::base::calibration::{generate, read_text};
use runs::data::builtin;
use runs::{Backend, Progress, Registries, interrupt, memory};

use along::LOSSES_PER_DIRECTION;
use directions::Choice;
use inputs::Moments;
use layer::{LOSSES_PER_LAYER, Point};
use measured::MeasuredLayer;
use record::Settings;
use rows::{identity, mean_loss};
use weight::MovedWeight;

/// The settings of a measurement.
#[derive(Clone, Debug)]
pub struct CurvatureRequest {
    /// Folder of the model; by default the built-in model.
    pub model: Option<PathBuf>,
    /// Text file that stands for what the model knows; by default the model generates the text.
    pub text: Option<PathBuf>,
    /// Number of rows.
    pub rows: usize,
    /// Maximum length of a row in tokens.
    pub tokens: usize,
    /// Patterns of the weights; if empty, all linear layers but output heads.
    pub layers: Vec<String>,
    /// Directions of every set, at most.
    pub directions: usize,
    /// Random output directions.
    pub outputs: usize,
    /// Seed of the output directions and of the intervals.
    pub seed: u64,
    /// Compute backend.
    pub backend: Backend,
    /// Folder of the report, with a table for each layer; a measurement that was stopped goes on there.
    pub out: Option<PathBuf>,
}

/// Measures the curvature along directions of every chosen weight and prints its rank correlation with singular values
/// and eigenvalues.
///
/// # Errors
///
/// A model or text that cannot be read, a weight that does not exist or is no layer of the model's blocks, a loss that is
/// not finite, a folder of another measurement, [`ContinualError::Interrupted`] after Ctrl-C.
pub fn run(registries: &Registries, args: &CurvatureRequest) -> Result<()> {
    let _stops_later = interrupt::stops_later()?;
    let device = args.backend.device()?;
    let path = match &args.model {
        Some(path) => path.clone(),
        None => builtin::model(registries, "trace")?,
    };
    let source = HfFolder::open(runs::model_folder(&path)?)?;
    let tokenizer = source.tokenizer()?;
    let loaded = source.load::<Model>(&device)?;
    for line in tokenizer.warnings().iter().chain(&loaded.warnings) {
        println!("model: {line}");
    }
    let model = loaded.model.valid();
    let targets = match args.layers.is_empty() {
        true => Targets::linear_layers(),
        false => Targets::matching(args.layers.iter().cloned()),
    };
    let layers = targets.selected(&model)?;
    let mut rows = match &args.text {
        Some(path) => read_text(path, &tokenizer, SampleSize::Rows(args.rows), args.tokens)?,
        None => {
            let vocabulary = (&tokenizer, source.embeddings());
            generate(&model, vocabulary, SampleSize::Rows(args.rows), args.tokens)
        }
    };
    rows.retain(|row| model.target_count(row) > 0);
    ensure!(
        !rows.is_empty(),
        "no row has two tokens or more: give longer text or more --tokens"
    );

    let fingerprint = source.fingerprint(tokenizer.stop_tokens())?;
    let settings = Settings {
        model: [fingerprint.config, fingerprint.weights],
        rows: identity(&rows)?,
        directions: args.directions,
        outputs: args.outputs,
        seed: args.seed,
        backend: args.backend.describe(&device),
    };
    let folder = match &args.out {
        Some(out) => Some(settings.folder(out)?),
        None => None,
    };
    let job = Job {
        model: &model,
        rows: &rows,
        choice: Choice {
            directions: args.directions,
            outputs: args.outputs,
            seed: args.seed,
        },
        folder: folder.as_ref(),
    };
    let title = title(args, &path, &model, &rows);
    println!("{title}");
    let measured = job.measure(&layers)?;
    println!("\n{}", page::terminal(&measured, args.seed)?);
    if let Some(folder) = &folder {
        let manifest = Manifest::new(title, &settings.backend);
        let picture = picture::of(&measured)?;
        folder.write("curvature.svg", picture.as_bytes())?;
        let text = page::report(&manifest, &measured, args.seed)?;
        folder.write("report.md", text.as_bytes())?;
        println!("report: {}", folder.path().join("report.md").display());
    }
    Ok(())
}

fn title(args: &CurvatureRequest, path: &Path, model: &Model, rows: &[Example]) -> String {
    let name = match &args.model {
        Some(_) => path
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
        None => "the built-in model".to_string(),
    };
    let text = match &args.text {
        Some(path) => path
            .file_name()
            .map_or_else(String::new, |name| format!("of {}", name.to_string_lossy())),
        None => "that it generated itself".to_string(),
    };
    format!(
        "Curvature of the loss of {name}: {} parameters, {} rows {text}",
        model.num_params(),
        rows.len()
    )
}

/// A model, and what is measured of it.
struct Job<'a> {
    model: &'a Model,
    rows: &'a [Example],
    choice: Choice,
    folder: Option<&'a RunFolder>,
}

impl Job<'_> {
    /// The points of all layers, in their order; those that the folder has already are read.
    fn measure(&self, layers: &[SelectedTarget]) -> Result<Vec<MeasuredLayer>> {
        let known = |layer: &SelectedTarget| match self.folder {
            Some(folder) => record::read(folder, &layer.path, &self.choice.places(layer.shape)),
            None => Ok(None),
        };
        let known: Vec<Option<Vec<Point>>> = layers.iter().map(known).collect::<Result<_>>()?;
        let missing: Vec<&SelectedTarget> = layers
            .iter()
            .zip(&known)
            .filter_map(|(layer, known)| known.is_none().then_some(layer))
            .collect();
        let moments = Moments::of(self.model, missing.iter().map(|layer| layer.id), self.rows);
        for layer in &missing {
            // Before the first layer is measured, not after hours.
            moments.check(layer)?;
        }
        let started = Instant::now();
        let at_start = mean_loss(self.model, self.rows);
        self.announce(
            layers.len(),
            &missing,
            at_start,
            started.elapsed().as_secs_f64(),
        );

        let count = |layer: &&SelectedTarget| self.choice.count(layer.shape) as u64;
        let progress = Progress::new(missing.iter().map(count).sum());
        let mut measured = Vec::with_capacity(layers.len());
        for (layer, known) in layers.iter().zip(known) {
            let points = match known {
                Some(points) => points,
                None => self.points(layer, &moments, at_start, &progress)?,
            };
            measured.push(MeasuredLayer {
                path: layer.path.clone(),
                shape: layer.shape,
                points,
            });
        }
        progress.finish();
        Ok(measured)
    }

    fn points(
        &self,
        layer: &SelectedTarget,
        moments: &Moments,
        at_start: f64,
        progress: &Progress,
    ) -> Result<Vec<Point>> {
        let at_layer = || format!("in the layer {}", layer.path);
        let weight = MovedWeight::new(self.model, layer.id).with_context(at_layer)?;
        let moment = moments.second_moment(layer)?;
        let directions = self.choice.of(&weight.matrix(), &moment);
        let directions = directions.with_context(at_layer)?;
        let loss = |model: &Model| Ok(mean_loss(model, self.rows));
        let points = layer::measure(&weight, &directions, at_start, &loss, &mut || {
            progress.advance(1, &layer.path);
            match interrupt::requested() {
                true => Err(ContinualError::Interrupted.into()),
                false => Ok(()),
            }
        });
        let points = points.with_context(at_layer)?;
        if let Some(folder) = self.folder {
            record::write(folder, &layer.path, &points)?;
        }
        Ok(points)
    }

    /// Prints what there is to do, before it begins.
    fn announce(&self, all: usize, missing: &[&SelectedTarget], loss: f64, seconds: f64) {
        let counts = missing.iter().map(|layer| self.choice.count(layer.shape));
        let directions: usize = counts.sum();
        let [fewest, most] =
            LOSSES_PER_DIRECTION.map(|each| directions * each + missing.len() * LOSSES_PER_LAYER);
        let tokens: usize = self
            .rows
            .iter()
            .map(|row| self.model.target_count(row))
            .sum();
        let minutes = |losses: usize| losses as f64 * seconds / 60.0;
        println!(
            "{all} layers, {} measured before; {directions} directions, {fewest} to {most} losses over {} rows with \
             {tokens} answer tokens (loss {loss:.3} nats), {:.1} to {:.1} minutes at {seconds:.2} seconds each",
            all - missing.len(),
            self.rows.len(),
            minutes(fewest),
            minutes(most)
        );
        // Weight, its vectors, moment, eigenvectors and the solver's copies, in f64.
        let held = missing.iter().map(|layer| {
            let [d_in, d_out] = layer.shape;
            8 * (4 * d_in * d_in + 4 * d_in * d_out + d_out * d_out.min(d_in))
        });
        let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let held = mebibytes(held.max().unwrap_or(0) as u64);
        let resident = memory::resident().map_or_else(String::new, |bytes| {
            format!(" beside the {:.0} MiB that are resident", mebibytes(bytes))
        });
        println!("Decompositions take up to {held:.0} MiB{resident}.");
    }
}
