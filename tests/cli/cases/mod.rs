//! Small model folders and suites that public bug reports of other tools are about: each through the
//! whole program, with the loss that transformers gives, or with the words that help.
//!
//! Losses and gradient norms are those of transformers 5.24 (4.57.6 for what it alone saves) on the same
//! rows. The readers' own tests, in `crates/lm/tests`, hold more of each kind.

mod lengths;
mod losses;
mod mistakes;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::{repository, scratch, succeed};

/// A text that a tokenizer of three letters has no token for.
const UNKNOWN: &str = "\u{4e2d}\u{6587}";

/// A folder for a model and a folder for a suite.
struct Case {
    config: Value,
    generation: Value,
    tokenizer: Value,
    weights: &'static str,
    /// In place of the head and the embedding of the weights: an embedding for both.
    shared: Option<&'static str>,
    train: Value,
    validation: Value,
    test: Value,
    max_new_tokens: usize,
    /// What else lies in the model's folder.
    beside: Vec<(&'static str, String)>,
    arguments: Vec<&'static str>,
}

fn rows(rows: &[(&str, &str)]) -> Value {
    let rows = rows.iter();
    rows.map(|(prompt, answer)| json!({"prompt": prompt, "answer": answer}))
        .collect()
}

fn question(numbers: &str) -> String {
    format!("Which is bigger, {numbers}?\nAnswer:")
}

/// The plain rows, each question asked so many times.
fn questions(times: usize) -> Value {
    let all = [
        ("3 or 5", " 5"),
        ("9 or 2", " 9"),
        ("1 or 4", " 4"),
        ("17 or 8", " 17"),
    ];
    let asked = all.map(|(numbers, answer)| (question(numbers).repeat(times), answer));
    rows(
        &asked
            .each_ref()
            .map(|(prompt, answer)| (prompt.as_str(), *answer)),
    )
}

/// What a tokenizer puts around a text.
fn framed(in_front: Option<&str>, behind: Option<&str>) -> Value {
    let special = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let parts = in_front.map(special).into_iter().chain([text]);
    let single: Vec<Value> = parts.chain(behind.map(special)).collect();
    let token = |name: &str, id: u32| json!({"id": name, "ids": [id], "tokens": [name]});
    json!({
        "type": "TemplateProcessing", "single": single,
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {"<s>": token("<s>", 1), "</s>": token("</s>", 2)}
    })
}

fn llama() -> Case {
    let cases = repository().join("crates/lm/tests/cases");
    let tokenizer = fs::read_to_string(cases.join("tokenizer.json")).unwrap();
    Case {
        config: json!({
            "model_type": "llama", "vocab_size": 264, "hidden_size": 32, "intermediate_size": 48,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8,
            "rms_norm_eps": 1e-5, "hidden_act": "silu", "tie_word_embeddings": false,
            "max_position_embeddings": 256, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
            "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}
        }),
        generation: json!({"eos_token_id": 2}),
        tokenizer: serde_json::from_str(&tokenizer).unwrap(),
        weights: "llama.safetensors",
        shared: None,
        train: questions(1),
        validation: rows(&[(&question("6 or 7"), " 7")]),
        test: rows(&[(&question("2 or 1"), " 2")]),
        max_new_tokens: 6,
        beside: Vec::new(),
        arguments: Vec::new(),
    }
}

fn t5(weights: &'static str) -> Case {
    let mut case = llama();
    case.config = json!({
        "model_type": "t5", "vocab_size": 264, "d_model": 24, "d_kv": 8, "d_ff": 40, "num_layers": 2,
        "num_decoder_layers": 2, "num_heads": 3, "relative_attention_num_buckets": 8,
        "relative_attention_max_distance": 20, "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "gated-gelu", "decoder_start_token_id": 0, "pad_token_id": 0,
        "eos_token_id": 2, "tie_word_embeddings": true, "scale_decoder_outputs": false
    });
    case.tokenizer["post_processor"] = framed(None, Some("</s>"));
    case.weights = weights;
    case
}

/// The tensors of a file with those of another one in place of its own, and without a head.
fn without_head(weights: &[u8], shared: &[u8]) -> Vec<u8> {
    let (weights, shared) = (
        SafeTensors::deserialize(weights).unwrap(),
        SafeTensors::deserialize(shared).unwrap(),
    );
    let mut tensors: BTreeMap<String, TensorView<'_>> = weights.tensors().into_iter().collect();
    tensors.remove("lm_head.weight").unwrap();
    tensors.extend(shared.tensors());
    safetensors::serialize(tensors, None).unwrap()
}

/// A case that differs in what `change` does to it.
fn changed(mut case: Case, change: impl FnOnce(&mut Case)) -> Case {
    change(&mut case);
    case
}

impl Case {
    fn write(&self, folder: &Path) {
        let (model, task) = (folder.join("model"), folder.join("data/one"));
        fs::create_dir_all(&model).unwrap();
        fs::create_dir_all(&task).unwrap();
        let write = |path: &Path, json: &Value| fs::write(path, json.to_string()).unwrap();
        write(&model.join("config.json"), &self.config);
        write(&model.join("tokenizer.json"), &self.tokenizer);
        if !self.generation.is_null() {
            write(&model.join("generation_config.json"), &self.generation);
        }
        let cases = repository().join("crates/lm/tests/cases");
        let weights = fs::read(cases.join(self.weights)).unwrap();
        let weights = match self.shared {
            None => weights,
            Some(shared) => without_head(&weights, &fs::read(cases.join(shared)).unwrap()),
        };
        fs::write(model.join("model.safetensors"), weights).unwrap();
        for (name, text) in &self.beside {
            fs::write(model.join(name), text).unwrap();
        }
        write(&task.join("train.json"), &self.train);
        write(&task.join("test.json"), &self.test);
        write(&task.join("eval.json"), &self.validation);
        let suite = json!({
            "name": "bugs", "orders": [["one"]],
            "tasks": [{"name": "one", "score": "rouge_l", "max_new_tokens": self.max_new_tokens}]
        });
        write(&folder.join("data/suite.json"), &suite);
    }

    fn command(&self) -> Vec<&'static str> {
        let family = match self.config["model_type"] == "t5" {
            true => "t5",
            false => "trace",
        };
        let fixed = [
            family,
            "--model",
            "model",
            "--data",
            "data",
            "--method",
            "seqft",
            "--set",
            "learning_rates.seqft=1e-4",
            "--epochs",
            "1",
            "--order",
            "1",
            "--set",
            "train.warmup_share=0",
        ];
        [&fixed[..], &self.arguments].concat()
    }

    /// The first step of a run, and all that was said.
    fn run(&self) -> (Value, String) {
        let folder = scratch();
        self.write(folder.path());
        let shown = succeed(
            folder.path(),
            &[&self.command()[..], &["--out", "run"]].concat(),
        );
        let log = fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
        let mut lines = log
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let step = lines.find(|line| line["event"] == "step").unwrap();
        // The report says what the run said.
        let page = fs::read_to_string(folder.path().join("run/report.md")).unwrap();
        for line in shown
            .lines()
            .filter_map(|line| line.strip_prefix("model: "))
        {
            assert!(page.contains(&format!("Model: {line}.")), "{page}");
        }
        for line in shown.lines().filter_map(|line| line.strip_prefix("data: ")) {
            assert!(page.contains(&format!("Data: {line}.")), "{page}");
        }
        (step, shown)
    }
}
