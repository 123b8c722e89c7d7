//! Small model folders and suites that public bug reports of other tools are about: each through the
//! whole program, with the loss that transformers gives, or with the words that help.
//!
//! Losses and gradient norms are those of transformers 5.24 (4.57.6 for what it alone saves) on the same
//! rows. The readers' own tests, in `crates/lm/tests`, hold more of each kind.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};

use crate::{experiments, fail, repository, scratch, succeed};

/// Against f32 references that are printed with seven digits.
const RELATIVE: f64 = 1e-4;
/// A text that a tokenizer of three letters has no token for.
const UNKNOWN: &str = "\u{4e2d}\u{6587}";
/// Loss of the plain model over the plain rows.
const PLAIN: f64 = 6.383375;

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
            "--lr",
            "1e-4",
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

#[test]
fn losses_are_those_of_the_reference() {
    /// Name, case, loss, gradient norm, tokens of the step, words that are said.
    type Right<'a> = (&'a str, Case, f64, Option<f64>, Option<u64>, &'a [&'a str]);
    let own_head = |case: &mut Case| case.weights = "llama-own-head.safetensors";
    let tied = |case: &mut Case| case.config["tie_word_embeddings"] = json!(true);
    let scaled = |scaling: Value| {
        changed(llama(), |case| {
            case.config
                .as_object_mut()
                .unwrap()
                .remove("rope_parameters");
            case.config["rope_theta"] = json!(10000.0);
            case.config["rope_scaling"] = scaling;
            case.train = questions(3);
        })
    };
    let cases: Vec<Right<'_>> = vec![
        ("plain", llama(), PLAIN, None, Some(146), &[]),
        (
            "flan as version 4 saves it",
            changed(t5("t5-own-head.safetensors"), |case| {
                case.config["tie_word_embeddings"] = json!(false);
                case.config
                    .as_object_mut()
                    .unwrap()
                    .remove("scale_decoder_outputs");
            }),
            6.134012,
            Some(5.8877),
            None,
            &[],
        ),
        (
            "flan as version 5 saves it",
            t5("t5-own-head.safetensors"),
            6.134012,
            Some(5.8877),
            None,
            &[],
        ),
        (
            "T5 1.1 without a head",
            changed(t5("t5-own-head.safetensors"), |case| {
                case.shared = Some("t5-embedding.safetensors");
            }),
            6.573447,
            None,
            None,
            &[],
        ),
        (
            "T5 whose tied weight is stored once, under another name",
            changed(t5("t5-stored-once.safetensors"), |case| {
                case.config["feed_forward_proj"] = json!("relu");
                case.config["scale_decoder_outputs"] = json!(true);
            }),
            5.729642,
            None,
            None,
            &[],
        ),
        (
            "a head that the tie flag denies",
            changed(changed(llama(), own_head), tied),
            5.875511,
            Some(12.283),
            None,
            &["lm_head.weight"],
        ),
        (
            "a tied weight that is stored once, under another name",
            changed(changed(llama(), tied), |case| {
                case.weights = "llama-stored-once.safetensors"
            }),
            6.983123,
            None,
            None,
            &[],
        ),
        (
            "rope scaling with both names of its kind",
            scaled(json!({"type": "linear", "rope_type": "linear", "factor": 4.0})),
            6.483675,
            None,
            None,
            &[],
        ),
        (
            "a window that LLaMA does not have",
            changed(llama(), |case| {
                case.config["sliding_window"] = json!(8);
                case.train = questions(3);
            }),
            6.372035,
            None,
            None,
            &["sliding_window"],
        ),
        (
            "an end token that the tokenizer alone names",
            changed(llama(), |case| {
                case.config.as_object_mut().unwrap().remove("eos_token_id");
                case.generation = Value::Null;
                let text = r#"{"eos_token": "</s>", "bos_token": "<s>"}"#;
                case.beside
                    .push(("tokenizer_config.json", text.to_string()));
            }),
            PLAIN,
            None,
            Some(146),
            &[],
        ),
        (
            "an end token that nobody names",
            changed(llama(), |case| {
                case.config.as_object_mut().unwrap().remove("eos_token_id");
                case.generation = Value::Null;
            }),
            PLAIN,
            None,
            Some(146),
            &["</s>"],
        ),
        (
            "a list of end tokens that begins with another one",
            changed(llama(), |case| {
                case.generation = json!({"eos_token_id": [7, 2]});
                let text = r#"{"eos_token": "</s>"}"#;
                case.beside
                    .push(("tokenizer_config.json", text.to_string()));
            }),
            PLAIN,
            None,
            Some(146),
            &[],
        ),
        (
            "a tokenizer that ends every text",
            changed(llama(), |case| {
                case.tokenizer["post_processor"] = framed(Some("<s>"), Some("</s>"));
            }),
            PLAIN,
            None,
            Some(146),
            &[],
        ),
        (
            "an adapter beside the model",
            changed(llama(), |case| {
                case.beside.push(("adapter_config.json", "{}".to_string()));
            }),
            PLAIN,
            None,
            None,
            &["adapter_config.json"],
        ),
    ];
    for (name, case, loss, norm, tokens, words) in cases {
        let (step, shown) = case.run();
        let close = |key: &str, right: f64| {
            let found = step[key].as_f64().unwrap();
            assert!(
                (found / right - 1.0).abs() < RELATIVE,
                "{name}: {key} {found}, not {right}"
            );
        };
        close("loss", loss);
        if let Some(norm) = norm {
            close("gradient_norm", norm);
        }
        if let Some(tokens) = tokens {
            assert_eq!(step["tokens"], tokens, "{name}");
        }
        for word in words {
            assert!(shown.contains(word), "{name}: no {word:?} in {shown}");
        }
        let said = shown
            .lines()
            .filter(|line| line.starts_with("model: "))
            .count();
        assert_eq!(said, usize::from(!words.is_empty()), "{name}: {shown}");
    }
}

#[test]
fn what_cannot_be_right_is_an_error_before_the_run_and_in_validate() {
    let config =
        |key: &'static str, value: Value| changed(llama(), |case| case.config[key] = value);
    // A tokenizer that knows three letters.
    let letters = |case: &mut Case| {
        case.tokenizer["model"]["vocab"] =
            json!({"<pad>": 0, "<s>": 1, "</s>": 2, "a": 3, "b": 4, ":": 5});
        case.tokenizer["model"]["merges"] = json!([]);
        for part in ["pre_tokenizer", "post_processor", "decoder"] {
            case.tokenizer[part] = Value::Null;
        }
        case.train = rows(&[("a:", "b"), ("b:", "a")]);
        case.validation = rows(&[("bb:", "b")]);
        case.test = rows(&[("ab:", "a")]);
    };
    let cases: Vec<(&str, Case, &[&str])> = vec![
        (
            "linear rope without its factor",
            config(
                "rope_parameters",
                json!({"rope_theta": 10000.0, "rope_type": "linear"}),
            ),
            &["config.json", "factor"],
        ),
        (
            "a token beyond the embeddings",
            changed(llama(), |case| {
                let tokens = case.tokenizer["added_tokens"].as_array_mut().unwrap();
                let mut token = tokens[0].clone();
                token["id"] = json!(300);
                token["content"] = json!("<|im_end|>");
                tokens.push(token);
                case.tokenizer["model"]["vocab"]["<|im_end|>"] = json!(300);
                let asked = question("3 or 5<|im_end|>");
                case.train = rows(&[(&asked, " 5"), ("Q:", " 4")]);
            }),
            &["tokenizer.json", "300", "264", "<|im_end|>"],
        ),
        (
            "an end token beyond the embeddings",
            changed(config("eos_token_id", json!(32000)), |case| {
                case.generation = json!({"eos_token_id": 32000});
            }),
            &["32000", "264"],
        ),
        (
            "quantized weights",
            config(
                "quantization_config",
                json!({"quant_method": "gptq", "bits": 4}),
            ),
            &["quantization_config", "gptq"],
        ),
        (
            "a prompt without a token",
            changed(changed(llama(), letters), |case| {
                case.test = rows(&[("ab:", "a"), (UNKNOWN, "a")]);
            }),
            &["task one", "test row 1", "prompt", UNKNOWN],
        ),
        (
            "an answer without a token",
            changed(changed(llama(), letters), |case| {
                case.train = rows(&[("a:", "b"), ("b:", UNKNOWN)]);
            }),
            &["task one", "training row 1", "answer", UNKNOWN],
        ),
        (
            "training rows that are all test rows",
            changed(llama(), |case| case.test = questions(1)),
            &[
                "\"one\" has no training rows",
                "4 of 4",
                "test row",
                "flaws=\"keep\"",
            ],
        ),
    ];
    for (name, case, words) in cases {
        let folder = scratch();
        case.write(folder.path());
        let command = case.command();
        let validate = [&["validate", command[0]], &command[1..]].concat();
        let run = [&command[..], &["--out", "run"]].concat();
        for arguments in [&validate, &run] {
            let error = fail(folder.path(), arguments);
            assert_eq!(error.trim_end().lines().count(), 1, "{name}: {error}");
            for word in words {
                assert!(error.contains(word), "{name}: no {word:?} in {error}");
            }
        }
        assert!(!folder.path().join("run").exists(), "{name} left a folder");
    }
}

#[test]
fn files_that_are_not_what_they_seem_are_named() {
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:aa\nsize 263424\n";
    let good = questions(1).to_string();
    let lines = questions(1);
    let lines: Vec<String> = lines
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let cases: [(&str, Vec<u8>, &[&str]); 6] = [
        (
            "data/one/train.json",
            [b"\xef\xbb\xbf", good.as_bytes()].concat(),
            &["byte order mark", "UTF-8"],
        ),
        (
            "data/one/train.json",
            lines.join("\n").into_bytes(),
            &["JSON lines", "array"],
        ),
        (
            "data/one/train.json",
            br#"[{"prompt":"smile \ud83d","answer":"x"},{"prompt":"b","answer":"y"}]"#.to_vec(),
            &["surrogate", "line 1"],
        ),
        (
            "data/one/test.json",
            pointer.into(),
            &["Git LFS pointer", "git lfs pull"],
        ),
        (
            "model/model.safetensors",
            pointer.into(),
            &["Git LFS pointer", "git lfs pull"],
        ),
        (
            "model/config.json",
            b"\xef\xbb\xbf{}".to_vec(),
            &["byte order mark"],
        ),
    ];
    for (file, bytes, words) in cases {
        let folder = scratch();
        let case = llama();
        case.write(folder.path());
        fs::write(folder.path().join(file), bytes).unwrap();
        let command = case.command();
        let error = fail(folder.path(), &[&command[..], &["--out", "run"]].concat());
        for word in words.iter().chain([&file]) {
            assert!(error.contains(word), "{file}: no {word:?} in {error}");
        }
        assert!(!folder.path().join("run").exists(), "{file} left a folder");
    }
}

#[test]
fn everything_that_is_cut_is_counted_and_said() {
    let long = " very long answer".repeat(20);
    let all: Vec<(String, &str)> = (0..1000)
        .map(|n| {
            (
                format!("Q{n}:"),
                if n % 10 == 0 { " x" } else { long.as_str() },
            )
        })
        .collect();
    let all: Vec<(&str, &str)> = all.iter().map(|(q, a)| (q.as_str(), *a)).collect();
    let case = changed(llama(), |case| {
        case.train = rows(&all);
        case.test = rows(&[
            (&question("2 or 1").repeat(3), " 2"),
            ("Say:", long.as_str()),
        ]);
        case.max_new_tokens = 60;
        case.arguments = vec!["--max-length", "64"];
    });
    let said = [
        "one: 900 of 1000 training rows do not fit into max_length = 64",
        "900 lose a part of the answer, 900 lose the token that ends the answer",
        "one: answers end after 32 tokens instead of 60 (max_new_tokens)",
        "one: 1 of 2 test prompts lose a part",
        "one: 1 of 2 test answers cannot be given in full",
    ];
    let folder = scratch();
    case.write(folder.path());
    let command = case.command();
    let validate = [&["validate", command[0]], &command[1..]].concat();
    let checked = succeed(folder.path(), &validate);
    let (_, shown) = changed(case, |case| {
        case.arguments.extend(["--limit-train", "20"]);
    })
    .run();
    for words in said {
        assert!(checked.contains(words), "no {words:?} in {checked}");
        let few = words
            .replace("900 of 1000", "18 of 20")
            .replace("900", "18");
        assert!(shown.contains(&few), "no {few:?} in {shown}");
    }
}

#[test]
fn targets_that_no_calibration_sees_are_named_at_once() {
    let case = changed(llama(), |case| {
        case.arguments = vec!["--set", "osft.targets=['embed_tokens', 'q_proj']"];
    });
    let folder = scratch();
    case.write(folder.path());
    let mut command = case.command();
    let method = command.iter().position(|word| *word == "seqft").unwrap();
    command[method] = "osft";
    let validate = [&["validate", "trace"], &command[1..]].concat();
    let run = [&command[..], &["--out", "run"]].concat();
    for arguments in [validate, run] {
        let error = fail(folder.path(), &arguments);
        for word in ["embed_tokens.weight", "settings of osft", "inputs"] {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
    assert!(!folder.path().join("run").exists());
}

#[test]
fn rows_to_choose_by_are_no_test_rows() {
    let mut case = llama();
    case.arguments = vec!["--set", "flaws='keep'"];
    let folder = scratch();
    case.write(folder.path());
    // The one validation row is a test row.
    let shared = rows(&[(&question("2 or 1"), " 2")]).to_string();
    fs::write(folder.path().join("data/one/eval.json"), shared).unwrap();
    for choose in [&["--tune"][..], &["--patience", "2"], &["--keep-best"]] {
        let run = [&case.command()[..], choose, &["--out", "run"]].concat();
        let error = fail(folder.path(), &run);
        for word in [
            "one: 1 of 1 validation rows",
            "test row",
            "flaws=\"repair\"",
        ] {
            assert!(error.contains(word), "{choose:?}: no {word:?} in {error}");
        }
        assert!(!folder.path().join("run").exists());
    }
    // Without a choice there is nothing to spoil.
    let run = [&case.command()[..], &["--out", "run"]].concat();
    let output = experiments(folder.path()).args(run).output().unwrap();
    assert!(output.status.success());
}
