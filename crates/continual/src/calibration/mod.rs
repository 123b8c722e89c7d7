//! Rows that stand for what is to be retained, and what the layers of a model see of them.

use lm::{Example, LanguageModel, Observer};
use osft::{Calibration, Calibrator, OsftError};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use burn::module::ParamId;
use burn::tensor::Tensor;

/// What a method calibrates on.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationData {
    /// Where the base model's rows are from, for reports.
    pub base_name: String,
    /// Rows that stand for what the base model knows.
    pub base: Vec<Example>,
    /// Weight of the base model's rows among the sources, each task having weight 1; above 0.
    pub base_weight: f64,
    /// Training rows of every learned task that are observed.
    pub rows_per_task: usize,
    /// Rows per forward pass.
    pub batch: usize,
}

struct Sums {
    calibrator: Calibrator,
    /// The first thing that did not fit.
    failed: Option<OsftError>,
}

impl Observer for Sums {
    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        if self.failed.is_none() {
            self.failed = self.calibrator.observe(input, outputs).err();
        }
    }
}

/// What a calibrator of the model measures over examples, as one source called `name`.
///
/// Rows of similar length go through the model together; neither that nor `batch` changes the
/// result beyond rounding.
///
/// # Errors
///
/// [`OsftError::NotObserved`] if a target is not a linear layer of the model's blocks or there is no
/// row, [`OsftError::NonFiniteInputs`], and what [`Calibrator::observe`] finds.
pub fn calibrate<M: LanguageModel>(
    model: &M,
    calibrator: Calibrator,
    name: &str,
    examples: &[Example],
    batch: usize,
) -> Result<Calibration, OsftError> {
    let model = model.valid();
    let mut sums = Sums {
        calibrator,
        failed: None,
    };
    let mut examples = examples.to_vec();
    examples.sort_by_key(Example::len);
    for rows in examples.chunks(batch.max(1)) {
        model.observe(rows, &mut sums);
    }
    match sums.failed {
        None => sums.calibrator.finish(name, &model),
        Some(failed) => Err(failed),
    }
}

/// `count` rows spread evenly over all of them, or all where `count` is 0: files are often sorted.
pub(crate) fn spread(rows: Vec<Example>, count: usize) -> Vec<Example> {
    let all = rows.len();
    if count == 0 || count >= all {
        return rows;
    }
    let chosen = (0..count).map(|index| index * all / count);
    chosen.map(|index| rows[index].clone()).collect()
}

/// Examples that a model makes up itself, each from a first token drawn among `vocabulary`; `tokens`
/// as in [`own_examples`](LanguageModel::own_examples). `on_rows` is told how many rows are done,
/// batch by batch.
pub fn generated_rows<M: LanguageModel>(
    model: &M,
    vocabulary: usize,
    rows: usize,
    tokens: usize,
    ends: &[u32],
    seed: u64,
    on_rows: &mut dyn FnMut(usize),
) -> Vec<Example> {
    const BATCH: usize = 32;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let first: Vec<u32> = (0..rows)
        .map(|_| rng.random_range(0..vocabulary.max(1) as u32))
        .collect();
    let mut examples = Vec::new();
    for (index, first) in first.chunks(BATCH).enumerate() {
        let seed = seed.wrapping_add(index as u64);
        examples.extend(model.own_examples(first, tokens, ends, seed));
        on_rows(first.len());
    }
    examples
}
