//! `experiments pretrain`: a base model small enough to be committed.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use burn::data::dataset::InMemDataset;
use continual::methods::SeqFt;
use continual::trainer::{Course, Moment, TrainConfig, Training, fit, step_count};
use lm::{Example, ExportPrecision, HfFolder, Llama, LlamaConfig, TextTokenizer};
use serde_json::json;

use crate::cli::PretrainArgs;
use crate::progress::Progress;
use crate::suite::{Document, mixture};
use crate::vocabulary::{self, END_OF_TEXT};

/// Documents the vocabulary is trained on; more add nothing, since their words repeat.
const VOCABULARY_DOCUMENTS: usize = 20_000;
/// Longer than any document of the mixture.
const MAX_LENGTH: usize = 256;
/// Documents per pass; more at a time fall out of a CPU core's cache (measured 20 % slower).
const MICRO_BATCH: usize = 32;

/// Generates the mixture, trains a vocabulary and a model, writes both.
pub fn run(args: &PretrainArgs) -> Result<()> {
    ensure!(
        !args.out.exists(),
        "{} already exists; choose another --out",
        args.out.display()
    );
    let device = args.backend.device()?.autodiff();
    let documents = mixture(args.seed, args.documents);
    let scratch = tempfile::tempdir().context("cannot create a temporary folder")?;
    write_source(scratch.path(), &documents, args)?;
    let source = HfFolder::open(scratch.path())?;
    let tokenizer = source.tokenizer()?;
    let rows = tokenize(&documents, &tokenizer)?;

    device.seed(args.seed);
    let config = LlamaConfig::from_json(source.config(), &scratch.path().join("config.json"))?;
    let model = Llama::new(&config, &device);
    let settings = TrainConfig {
        learning_rate: args.learning_rate,
        global_batch: args.batch,
        micro_batch: MICRO_BATCH,
        warmup_share: 0.02,
        weight_decay: 0.01,
        beta_2: 0.98,
        ..TrainConfig::default()
    };
    let tokens: usize = rows.iter().map(Example::len).sum();
    println!("{} documents, {tokens} tokens", rows.len());
    let progress = Progress::new(step_count(rows.len(), 1, &settings) as u64);
    let rows = InMemDataset::new(rows);
    let course = Course {
        task: "the mixture",
        config: &settings,
        rows: &rows,
        validation: None,
        epochs: 1,
        seed: args.seed,
    };
    let start = Training::new(model, settings.optimizer().into());
    let model = fit(start, course, &SeqFt, &mut |moment| {
        if let Moment::Stepped(step) = moment {
            progress.advance(1, &format!("loss {:.3}", step.loss));
        }
        Ok(())
    })?;
    progress.finish();
    source.export(&model, &args.out, ExportPrecision::F32)?;
    println!("wrote {}", args.out.display());
    Ok(())
}

/// `config.json` and tokenizer of a model that does not exist yet.
fn write_source(folder: &Path, documents: &[Document], args: &PretrainArgs) -> Result<()> {
    let texts = documents
        .iter()
        .take(VOCABULARY_DOCUMENTS)
        .map(|document| format!("{}{}", document.prompt, document.answer));
    let tokenizer = vocabulary::train(texts, args.vocabulary)?;
    let vocabulary_size = tokenizer.get_vocab_size(true);
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary_size,
        "hidden_size": args.hidden,
        "intermediate_size": args.hidden * 3,
        "num_hidden_layers": args.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": args.hidden / 4,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "torch_dtype": "float32"
    });
    let tokenizer_config = json!({
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "clean_up_tokenization_spaces": false
    });
    let generation = json!({"eos_token_id": 0, "pad_token_id": 0});
    for (name, value) in [
        ("config.json", config),
        ("tokenizer_config.json", tokenizer_config),
        ("generation_config.json", generation),
    ] {
        let text = format!("{}\n", serde_json::to_string_pretty(&value)?);
        std::fs::write(folder.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    tokenizer
        .save(folder.join("tokenizer.json"), true)
        .map_err(|error| anyhow::anyhow!("cannot write tokenizer.json: {error}"))
}

/// The loss runs over whole documents, whose parts are tokenized apart as those of tasks are.
fn tokenize(documents: &[Document], tokenizer: &TextTokenizer) -> Result<Vec<Example>> {
    documents
        .iter()
        .map(|document| {
            let row = tokenizer.example(&document.prompt, &document.answer, MAX_LENGTH)?;
            Ok(Example {
                prompt: Vec::new(),
                answer: [row.prompt, row.answer].concat(),
            })
        })
        .collect()
}
