//! Passes over data that is to be kept: what the layers of a model see of it.

use lm::{Decoding, Example, GenerationOptions, LanguageModel, Observer};
use osft::{Calibration, Calibrator, OsftError, TargetPatterns};
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
    /// Training rows of every learned task that are gone through.
    pub rows_per_task: usize,
    /// Rows per forward pass.
    pub batch: usize,
}

struct Sums(Calibrator);

impl Observer for Sums {
    fn projected(&mut self, input: &Tensor<2>, outputs: &[(ParamId, Tensor<2>)]) {
        self.0.observe(input, outputs);
    }
}

/// Moments of the inputs of a model's targets over examples, as one source called `name`.
///
/// Rows of similar length go through the model together; neither that nor `batch` changes the
/// result beyond rounding.
///
/// # Errors
///
/// [`OsftError::NoTarget`], [`OsftError::NotObserved`] if a target is not a linear layer of the
/// model's blocks or there is no row, [`OsftError::NonFiniteInputs`].
pub fn calibrate<M: LanguageModel>(
    model: &M,
    targets: &TargetPatterns,
    name: &str,
    examples: &[Example],
    batch: usize,
) -> Result<Calibration, OsftError> {
    let model = model.valid();
    let mut sums = Sums(Calibrator::new(&model, targets)?);
    let mut examples = examples.to_vec();
    examples.sort_by_key(Example::len);
    for rows in examples.chunks(batch.max(1)) {
        model.observe(rows, &mut sums);
    }
    sums.0.finish(name, &model)
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

/// Tokens that follow the first one greedily before the rest is drawn.
const GREEDY_TOKENS: usize = 4;

/// Text that a model generates itself: a first token at random, a few greedy ones, the rest drawn
/// from the softmax. `on_rows` is told how many rows are done, batch by batch.
///
/// # References
///
/// Liu et al., "LLM-QAT: Data-Free Quantization Aware Training for Large Language Models", 2023,
/// section 2.1: greedy tokens first make the text one that the model knows how to continue, and
/// drawing the rest keeps it diverse.
pub fn generated_rows<M: LanguageModel>(
    model: &M,
    vocabulary: usize,
    rows: usize,
    tokens: usize,
    seed: u64,
    on_rows: &mut dyn FnMut(usize),
) -> Vec<Example> {
    const BATCH: usize = 32;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let first: Vec<Vec<u32>> = (0..rows)
        .map(|_| vec![rng.random_range(0..vocabulary.max(1) as u32)])
        .collect();
    let mut texts = Vec::new();
    for (index, prompts) in first.chunks(BATCH).enumerate() {
        let start = extended(model, prompts, GREEDY_TOKENS.min(tokens), Decoding::Greedy);
        let drawn = Decoding::Sample {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            seed: seed.wrapping_add(index as u64),
        };
        let rest = tokens.saturating_sub(GREEDY_TOKENS + 1);
        texts.extend(extended(model, &start, rest, drawn));
        on_rows(prompts.len());
    }
    let example = |prompt| Example {
        prompt,
        answer: Vec::new(),
    };
    texts.into_iter().map(example).collect()
}

/// Prompts with their continuations; a text that ends begins another.
fn extended<M: LanguageModel>(
    model: &M,
    prompts: &[Vec<u32>],
    tokens: usize,
    decoding: Decoding,
) -> Vec<Vec<u32>> {
    let options = GenerationOptions {
        decoding,
        ..GenerationOptions::greedy(tokens, Vec::new())
    };
    let continuations = model.generate(prompts, &options);
    let pairs = prompts.iter().zip(continuations);
    pairs
        .map(|(prompt, text)| [prompt.as_slice(), &text].concat())
        .collect()
}
