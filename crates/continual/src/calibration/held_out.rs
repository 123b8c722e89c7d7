//! Whether a sample of rows was large enough: what a split from half of it leaves free of the other half.

use burn::module::ParamId;
use burn::tensor::Tensor;
use lm::{Example, LanguageModel, Observer};
use osft::{
    Calibration, Calibrator, FreeEnergy, FreeEnergyMeter, Osft, OsftConfig, OsftError, SplitContext,
};
use serde::{Deserialize, Serialize};

use super::{Passes, calibrate, tokens_of};

/// The rows that a source was measured on, and how far they stand for others of its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleCheck {
    /// Name of the source.
    pub source: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of tokens.
    pub tokens: usize,
    /// The energy in free directions, layer by layer; empty if it could not be measured.
    pub layers: Vec<LayerSample>,
}

/// The share of a layer's input energy, in `[0, 1]`, that lies in the free directions of a split from half of the rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerSample {
    /// Path of the layer.
    pub path: String,
    /// Of the rows that the split was made from.
    pub in_sample: f64,
    /// Of the other rows.
    pub held_out: f64,
}

/// The held-out energy counts as much larger from twice the energy in the sample on: what a change moves outputs by
/// is bounded by the free energy, so that the bound that was asked for then holds for half of the change.
const MUCH_LARGER: f64 = 2.0;

/// A difference below this share of the energy never counts: a tenth of what the strictest of the usual rules, an
/// energy of 0.99, leaves free.
const SMALL: f64 = 1e-3;

impl SampleCheck {
    /// Mean over the layers in the sample and of held-out rows; `None` without layers.
    pub fn mean(&self) -> Option<(f64, f64)> {
        let count = self.layers.len();
        let sums = self.layers.iter().fold((0.0, 0.0), |sum, layer| {
            (sum.0 + layer.in_sample, sum.1 + layer.held_out)
        });
        (count > 0).then(|| (sums.0 / count as f64, sums.1 / count as f64))
    }

    /// The layer with the largest energy of held-out rows.
    pub fn worst(&self) -> Option<&LayerSample> {
        let layers = self.layers.iter();
        layers.max_by(|a, b| a.held_out.total_cmp(&b.held_out))
    }

    /// A sentence if the sample was too small for some layer, with what to do about it.
    pub fn warning(&self) -> Option<String> {
        let too_small = |layer: &&LayerSample| {
            let excess = layer.held_out - layer.in_sample;
            layer.held_out > MUCH_LARGER * layer.in_sample && excess > SMALL
        };
        let layers: Vec<&LayerSample> = self.layers.iter().filter(too_small).collect();
        let worst = layers
            .iter()
            .max_by(|a, b| (a.held_out - a.in_sample).total_cmp(&(b.held_out - b.in_sample)))?;
        Some(format!(
            "the sample of {} ({} rows, {} tokens) may be too small: in {} of {} layers, directions that are chosen \
             from half of the rows leave more than {MUCH_LARGER} times as much of the other half's energy free as of \
             their own ({}: {:.2} % instead of {:.2} %); measure more tokens",
            self.source,
            self.rows,
            self.tokens,
            layers.len(),
            self.layers.len(),
            worst.path,
            100.0 * worst.held_out,
            100.0 * worst.in_sample,
        ))
    }
}

struct Meter<'a> {
    meter: FreeEnergyMeter<'a>,
    first_error: Option<OsftError>,
}

impl Observer for Meter<'_> {
    fn begins(&mut self, lengths: &[usize]) {
        self.meter.begin_rows(lengths);
    }

    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        if self.first_error.is_none() {
            let ids: Vec<ParamId> = outputs.iter().map(|(id, _)| *id).collect();
            self.first_error = self.meter.observe(input, &ids).err();
        }
    }
}

/// Checks the rows of one source: makes a split from half of them alone, as `config` says before task `task.0` of
/// `task.1`, and measures the energy that both halves have in its free directions.
///
/// The split that is trained with is made from all rows, and from all sources: it is not changed by this, and it
/// knows twice as many rows. Were the halves measured in its own directions, neither would be held out. Rows go
/// into the halves in turn, since files are often sorted. Nothing can be said of a source with less than two rows, or
/// if half of it shows a layer no token or no gradient.
///
/// It takes about one and a half passes over the rows, and holds the moments of half of the rows and then the bases
/// of one split; at the end it holds nothing.
///
/// # Errors
///
/// Those of [`calibrate`] and [`Osft::split_in`].
pub fn check_sample<M: LanguageModel>(
    model: &M,
    config: &OsftConfig,
    name: &str,
    examples: &[Example],
    passes: Passes,
    task: (usize, usize),
) -> Result<SampleCheck, OsftError> {
    let mut check = SampleCheck {
        source: name.to_string(),
        rows: examples.len(),
        tokens: tokens_of(examples),
        layers: Vec::new(),
    };
    // The split by the weights reads no sample.
    if examples.len() < 2 || !config.split.needs_calibration() {
        return Ok(check);
    }
    let every_other = |first: usize| -> Vec<Example> {
        examples.iter().skip(first).step_by(2).cloned().collect()
    };
    let (seen, held_out) = (every_other(0), every_other(1));
    let Some(split) = split_from(model, config, &seen, passes, task)? else {
        return Ok(check);
    };
    let seen = energies(model, &split, seen, passes)?.into_iter();
    let pairs = seen.zip(energies(model, &split, held_out, passes)?);
    check.layers = pairs
        .filter_map(|(seen, held_out)| {
            Some(LayerSample {
                path: seen.path,
                in_sample: seen.share?,
                held_out: held_out.share?,
            })
        })
        .collect();
    Ok(check)
}

/// A split from rows; `None` if they show a layer nothing.
fn split_from<M: LanguageModel>(
    model: &M,
    config: &OsftConfig,
    rows: &[Example],
    passes: Passes,
    (task, tasks): (usize, usize),
) -> Result<Option<Osft>, OsftError> {
    let calibrator = Calibrator::for_config(model, config)?;
    let calibrator = calibrator.with_sums_on_device(passes.sums_on_device);
    let measured = match calibrate(model, calibrator, "half", rows, passes.batch) {
        Err(
            OsftError::NotObserved { .. }
            | OsftError::NoGradients { .. }
            | OsftError::NothingSummed { .. },
        ) => return Ok(None),
        measured => measured?,
    };
    let measured = Calibration::joined(None, measured, config, task, tasks)?;
    let context = SplitContext::new()
        .for_task(task, tasks)
        .with_calibration(&measured);
    Osft::split_in(model, config, &context).map(Some)
}

fn energies<M: LanguageModel>(
    model: &M,
    split: &Osft,
    mut rows: Vec<Example>,
    passes: Passes,
) -> Result<Vec<FreeEnergy>, OsftError> {
    let mut meter = Meter {
        meter: split
            .free_energy()
            .with_sums_on_device(passes.sums_on_device),
        first_error: None,
    };
    let model = model.valid();
    rows.sort_by_key(Example::len);
    for rows in rows.chunks(passes.batch.max(1)) {
        model.observe(rows, &mut meter);
    }
    match meter.first_error {
        None => Ok(meter.meter.finish()),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn check(layers: &[(f64, f64)]) -> SampleCheck {
        let layers = layers.iter().enumerate();
        let layers = layers.map(|(index, &(in_sample, held_out))| LayerSample {
            path: format!("layer {index}"),
            in_sample,
            held_out,
        });
        SampleCheck {
            source: "base".to_string(),
            rows: 10,
            tokens: 80,
            layers: layers.collect(),
        }
    }

    #[test]
    fn a_sample_is_too_small_from_twice_the_energy_on() {
        let fine = check(&[(0.1, 0.19), (0.0, 0.0009), (0.01, 0.02)]);
        assert_eq!(fine.warning(), None);
        assert_eq!(check(&[]).warning(), None);
        let small = check(&[(0.1, 0.19), (0.1, 0.25), (0.01, 0.03)]);
        let warning = small.warning().unwrap();
        assert!(warning.contains("2 of 3 layers"), "{warning}");
        assert!(
            warning.contains("layer 1: 25.00 % instead of 10.00 %"),
            "{warning}"
        );
    }

    #[test]
    fn the_mean_and_the_worst_layer_are_of_all_layers() {
        let found = check(&[(0.1, 0.2), (0.3, 0.6), (0.2, 0.4)]);
        let (in_sample, held_out) = found.mean().unwrap();
        assert!((in_sample - 0.2).abs() < 1e-12 && (held_out - 0.4).abs() < 1e-12);
        assert_eq!(found.worst().unwrap().path, "layer 1");
        assert_eq!(check(&[]).mean(), None);
        assert_eq!(check(&[]).worst(), None);
    }
}
