//! Writes the logits of a model folder for given token ids, and how it continues them greedily:
//! `cargo run --release -p lm --example logits FOLDER ROWS.json OUT.safetensors`.
//!
//! `ROWS.json` holds `rows`, lists of token ids, and `new_tokens`. An encoder-decoder model reads `rows` as its prompts
//! and needs as many `answers`, which begin with the start token. Row N of the output is `logits.N`,
//! `[tokens, vocabulary]`, f32, and `continued.N`, `[new_tokens]`, i64. No continuation ends before it is complete.

use std::error::Error;
use std::fs;
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use lm::{GenerationOptions, HfFolder, LanguageModel, Model};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde::Deserialize;

/// What is computed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    rows: Vec<Vec<u32>>,
    #[serde(default)]
    answers: Vec<Vec<u32>>,
    new_tokens: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, rows, out] = arguments.as_slice() else {
        return Err("expected a model folder, a file of token ids and the file to write".into());
    };
    let request: Request = serde_json::from_slice(&fs::read(rows)?)?;
    let folder = HfFolder::open(folder)?;
    let loaded = folder.load::<Model>(&Device::flex())?;
    if !loaded.warnings.is_empty() {
        return Err(loaded.warnings.join("\n").into());
    }
    let model = loaded.model;
    check(&request, &model)?;
    // Rows of unequal length go through the model together; what stands behind a shorter one is left out.
    let (logits, predicting) = match &model {
        Model::Decoder(model) => (model.logits(&request.rows), &request.rows),
        Model::T5(model) => (
            model.logits(&request.rows, &request.answers),
            &request.answers,
        ),
    };
    let mut options = GenerationOptions::greedy(request.new_tokens, folder.stop_tokens()?);
    options.min_new_tokens = request.new_tokens;
    let continued = model.generate(&request.rows, &options);

    let mut tensors = Vec::new();
    for (number, (row, new)) in predicting.iter().zip(continued).enumerate() {
        let own = row_of(&logits, number, row.len());
        let new: Vec<i64> = new.into_iter().map(i64::from).collect();
        let count = new.len();
        tensors.push((format!("logits.{number}"), Dtype::F32, own));
        let new = TensorData::new(new, [count]);
        tensors.push((format!("continued.{number}"), Dtype::I64, new));
    }
    write(Path::new(out), &tensors)
}

/// Refuses rows that the model cannot read.
fn check(request: &Request, model: &Model) -> Result<(), String> {
    let (vocabulary, answers) = match model {
        Model::Decoder(model) => (model.parts().vocabulary, 0),
        Model::T5(model) => (model.config().vocab_size, request.rows.len()),
    };
    if request.answers.len() != answers {
        let found = request.answers.len();
        return Err(format!("expected {answers} answers, found {found}"));
    }
    for row in request.rows.iter().chain(&request.answers) {
        if row.is_empty() {
            return Err("expected at least one token in every row, found an empty one".to_string());
        }
        if let Some(id) = row.iter().find(|&&id| id as usize >= vocabulary) {
            return Err(format!("expected token ids below {vocabulary}, found {id}"));
        }
    }
    Ok(())
}

/// The logits of one row without those behind its end.
///
/// # Shapes
/// - `logits`: `[batch, longest row, vocabulary]`
/// - output: `[tokens, vocabulary]`
fn row_of(logits: &Tensor<3>, number: usize, tokens: usize) -> TensorData {
    let [_, _, vocabulary] = logits.dims();
    let row = logits
        .clone()
        .slice([number..number + 1, 0..tokens, 0..vocabulary]);
    row.reshape([tokens, vocabulary]).into_data()
}

fn write(path: &Path, tensors: &[(String, Dtype, TensorData)]) -> Result<(), Box<dyn Error>> {
    let mut views = Vec::new();
    for (name, dtype, data) in tensors {
        let view = TensorView::new(*dtype, data.shape().to_vec(), data.as_bytes())?;
        views.push((name, view));
    }
    fs::write(path, safetensors::serialize(views, None)?)?;
    Ok(())
}
