//! Calibration: runs a model over rows that stand for what is to be retained, and measures the
//! inputs of its layers.

mod held_out;
mod sample;

use lm::{Example, LanguageModel, Observer};
use osft::{Calibration, Calibrator, OsftError};

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

pub use held_out::{LayerSample, SampleCheck, check_sample};
pub use sample::{
    Generation, ROWS_AT_A_TIME, SampleSize, continued_rows, generated_rows, tokens_of,
};

/// The rows that a method calibrates on.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationData {
    /// Where the base model's rows come from; reports show it.
    pub base_name: String,
    /// Rows that stand for the base model's knowledge.
    pub base: Vec<Example>,
    /// Weight of the base model's rows among the sources, above 0; every task has weight 1.
    pub base_weight: f64,
    /// Number of training rows of every learned task to calibrate on; 0 takes all.
    pub rows_per_task: usize,
    /// Rows per forward pass.
    pub batch: usize,
    /// Whether it is measured how far the rows of a source stand for others of its kind; see [`check_sample`].
    pub held_out: bool,
    /// Whether sums stay on the device over many passes: worthwhile on a graphics card, exact on the host; see
    /// [`Calibrator::with_sums_on_device`].
    pub sums_on_device: bool,
}

impl CalibrationData {
    /// How its rows go through a model.
    pub fn passes(&self) -> Passes {
        Passes {
            batch: self.batch,
            sums_on_device: self.sums_on_device,
        }
    }
}

/// How rows go through a model to be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passes {
    /// Rows per forward pass.
    pub batch: usize,
    /// See [`CalibrationData::sums_on_device`].
    pub sums_on_device: bool,
}

struct ObservingCalibrator {
    calibrator: Calibrator,
    /// The first error of the calibrator.
    first_error: Option<OsftError>,
}

impl Observer for ObservingCalibrator {
    fn begins(&mut self, lengths: &[usize]) {
        self.calibrator.begin_rows(lengths);
    }

    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        if self.first_error.is_none() {
            self.first_error = self.calibrator.observe(input, outputs).err();
        }
    }
}

/// Runs a model over examples and returns what the calibrator measured, as one source called
/// `name`.
///
/// Rows of similar length share a forward pass. Neither that nor `batch`, the rows per forward
/// pass, changes the result beyond rounding.
///
/// # Errors
///
/// [`OsftError::NotObserved`] if a target is not a linear layer of the model's blocks or `examples`
/// is empty, [`OsftError::NonFiniteInputs`], and the errors of [`Calibrator::observe`].
pub fn calibrate<M: LanguageModel>(
    model: &M,
    calibrator: Calibrator,
    name: &str,
    examples: &[Example],
    batch: usize,
) -> Result<Calibration, OsftError> {
    let mut calibrator = calibrator;
    if calibrator.reads_gradients() {
        observe_gradients(model, &mut calibrator, examples)?;
    }
    let model = model.valid();
    let mut observer = ObservingCalibrator {
        calibrator,
        first_error: None,
    };
    let mut examples = examples.to_vec();
    examples.sort_by_key(Example::len);
    for rows in examples.chunks(batch.max(1)) {
        model.observe(rows, &mut observer);
    }
    match observer.first_error {
        None => observer.calibrator.finish(name, &model),
        Some(first_error) => Err(first_error),
    }
}

/// Shows a calibrator the gradients of every row that has an answer: of one row at a time, since the gradients of
/// rows in a batch cancel. A model without autodiff has none, which the calibrator reports in the end.
fn observe_gradients<M: LanguageModel>(
    model: &M,
    calibrator: &mut Calibrator,
    examples: &[Example],
) -> Result<(), OsftError> {
    let ids = calibrator.observed_weights();
    for example in examples {
        // After an empty prompt, the first token is not predicted.
        let first = usize::from(example.prompt.is_empty());
        if !example.counted().any(|(position, _)| position >= first) {
            continue;
        }
        let (loss, _) = model.answer_loss(std::slice::from_ref(example));
        if !loss.is_autodiff() {
            break;
        }
        let grads = GradientsParams::from_grads(loss.backward(), model);
        let of_row = ids
            .iter()
            .filter_map(|id| Some((*id, grads.get::<2>(*id)?)));
        calibrator.observe_gradients(&of_row.collect::<Vec<_>>())?;
    }
    Ok(())
}
