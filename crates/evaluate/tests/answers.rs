//! Answers in batches behind a shared beginning are those of every text alone.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::Device;
use evaluate::{KeptScores, Limits, answers, score};
use general::{Expected, Prompt, Request, Response, Scope, Suite, SuiteRow, open_own, open_texts};
use lm::{Example, GenerationOptions, HfFolder, LanguageModel, Model, TextTokenizer};

const EXAMPLES: &str = "Question: who has the red book? Answer: Tom has the red book.\n\n";

fn builtin(name: &str) -> (HfFolder, Model, TextTokenizer) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../datasets/builtin")
        .join(name);
    let folder = HfFolder::open(path).unwrap();
    let model = folder.load::<Model>(&Device::flex()).unwrap().model;
    let tokenizer = folder.tokenizer().unwrap();
    (folder, model, tokenizer)
}

fn row(at: usize, request: Request) -> SuiteRow {
    SuiteRow {
        name: format!("row {at}"),
        group: String::new(),
        request,
        expected: Expected::Nothing,
    }
}

/// Requests of every kind, with and without a shared beginning.
fn requests() -> Vec<SuiteRow> {
    let shared: Arc<str> = Arc::from(EXAMPLES);
    let choose = |question: &str, shared: bool, scope, choices: &[&str]| Request::Choose {
        prompt: match shared {
            true => Prompt::new(&Arc::from(EXAMPLES), question.to_string()),
            false => Prompt::alone(question.to_string()),
        },
        choices: choices.iter().map(|choice| choice.to_string()).collect(),
        scope,
    };
    let loss = |text: &str, max_tokens| Request::Loss {
        text: text.to_string(),
        max_tokens,
    };
    let generate = |question: &str, stop: &[&str], max_new_tokens| Request::Generate {
        prompt: Prompt::new(&shared, question.to_string()),
        stop: stop.iter().map(|stop| stop.to_string()).collect(),
        max_new_tokens,
    };
    let requests = [
        choose(
            "Question: who runs? Answer:",
            true,
            Scope::Choice,
            &[" Tom", " Ann and Tom"],
        ),
        loss("The cat sat on the mat and looked at the bird.", 768),
        generate("Question: where is the cat? Answer:", &[], 6),
        choose(
            "The sky is ",
            false,
            Scope::Choice,
            &["blue", "green", "a dog"],
        ),
        choose(
            "Ann has 3 apples and ",
            true,
            Scope::WholeText,
            &["2 pears.", "no pear at all."],
        ),
        generate("Question: who has the book? Answer:", &["\n", "book"], 12),
        loss("Tom runs to the house. Ann runs too.", 5),
        choose("Answer: ", true, Scope::Choice, &["A", "B", "C", "D"]),
        generate("Say something. Answer:", &[], 3),
    ];
    requests
        .into_iter()
        .enumerate()
        .map(|(at, request)| row(at, request))
        .collect()
}

/// Natural logarithm of the probability of `tokens[from..]` given what comes before.
fn log_probability(model: &Model, tokens: &[u32], from: usize) -> f64 {
    let example = Example::new(tokens[..from].to_vec(), tokens[from..].to_vec());
    let (loss, _) = model.answer_loss(&[example]);
    -f64::from(loss.into_scalar::<f32>())
}

#[test]
fn answers_in_batches_are_those_of_every_text_alone() {
    let (_, model, tokenizer) = builtin("model");
    let rows = requests();
    let encode = |text: &str| tokenizer.encode(text, true).unwrap();
    for (most_rows, most_tokens) in [(1, 4096), (3, 4096), (32, 4096), (32, 40)] {
        let limits = Limits {
            rows: most_rows,
            tokens: most_tokens,
            context: Some(256),
        };
        let mut done = 0;
        let found = answers(&model, &tokenizer, &rows, limits, &mut |rows| {
            done += rows;
            Ok(())
        });
        let found = found.unwrap();
        assert_eq!((found.len(), done), (rows.len(), rows.len()));
        for (row, found) in rows.iter().zip(&found) {
            let what = format!("{} in batches of {most_rows}", row.name);
            match (&row.request, found) {
                (
                    Request::Choose {
                        prompt,
                        choices,
                        scope,
                    },
                    Response::Choices(likelihoods),
                ) => {
                    let text = prompt.text();
                    assert_eq!(choices.len(), likelihoods.len());
                    for (choice, found) in choices.iter().zip(likelihoods) {
                        let tokens = encode(&format!("{text}{choice}"));
                        // White space at the end of the prompt is of the choice.
                        let (from, count) = match scope {
                            Scope::Choice => {
                                let from = encode(text.trim_end()).len();
                                (from, tokens.len() - from)
                            }
                            Scope::WholeText => (1, tokens.len()),
                        };
                        close(
                            found.log_probability,
                            log_probability(&model, &tokens, from),
                            &what,
                        );
                        assert_eq!(found.tokens, count, "{what}");
                    }
                }
                (Request::Loss { text, max_tokens }, Response::Loss(found)) => {
                    let mut tokens = encode(text);
                    tokens.truncate(*max_tokens);
                    close(
                        found.log_probability,
                        log_probability(&model, &tokens, 1),
                        &what,
                    );
                    assert_eq!(found.tokens, tokens.len() - 1);
                }
                (
                    Request::Generate {
                        prompt,
                        stop,
                        max_new_tokens,
                    },
                    Response::Text(found),
                ) => {
                    let stops = tokenizer.stop_tokens().to_vec();
                    let options = GenerationOptions::greedy(*max_new_tokens, stops);
                    let output = model.generate(&[encode(&prompt.text())], &options);
                    let whole = tokenizer.decode(&output[0], true).unwrap();
                    // It may end at a stop text, which scoring cuts off, and never before it.
                    assert!(
                        whole.starts_with(found.as_str()),
                        "{what}: {found:?} {whole:?}"
                    );
                    let ended = stop.iter().any(|stop| found.contains(stop.as_str()));
                    assert!(ended || *found == whole, "{what}: {found:?} {whole:?}");
                }
                (_, other) => panic!("{what}: {other:?}"),
            }
        }
    }
}

fn close(found: f64, expected: f64, what: &str) {
    // Sums of f32 in another order over some sixty tokens.
    assert!(
        (found - expected).abs() < 1e-3,
        "{what}: {found} {expected}"
    );
}

#[test]
fn what_a_model_cannot_answer_is_said() {
    let (_, model, tokenizer) = builtin("model");
    let rows = requests();
    let context = |context| Limits {
        context: Some(context),
        ..Limits::default()
    };
    let error = answers(&model, &tokenizer, &rows, context(20), &mut |_| Ok(())).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("over the 20 that the model can read"),
        "{error}"
    );
    let stop = answers(&model, &tokenizer, &rows, Limits::default(), &mut |_| {
        anyhow::bail!("enough")
    });
    assert_eq!(stop.unwrap_err().to_string(), "enough");

    let (_, model, tokenizer) = builtin("t5-model");
    let of_choice = |row: &&SuiteRow| {
        matches!(
            row.request,
            Request::Choose {
                scope: Scope::Choice,
                ..
            } | Request::Generate { .. }
        )
    };
    let answerable: Vec<SuiteRow> = rows.iter().filter(of_choice).cloned().collect();
    let found = answers(
        &model,
        &tokenizer,
        &answerable,
        Limits::default(),
        &mut |_| Ok(()),
    );
    assert_eq!(found.unwrap().len(), answerable.len());
    let error = answers(
        &model,
        &tokenizer,
        &rows,
        Limits::default(),
        &mut |_| Ok(()),
    );
    let error = error.unwrap_err().to_string();
    assert!(error.contains("needs a decoder-only model"), "{error}");
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn scores_are_kept_for_the_same_model_and_suite_alone() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, model, tokenizer) = builtin("model");
    let texts = written(
        scratch.path(),
        "texts.txt",
        "Tom runs.\nAnn has a red book.\n",
    );
    let rows = "{\"prompt\": \"Answer:\", \"answer\": \"Tom\"}\n";
    let rows = written(scratch.path(), "rows.jsonl", rows);
    let suites = [
        open_texts(&texts).unwrap(),
        open_own(&rows, &Default::default()).unwrap(),
    ];
    let ask = |suite: &Suite| {
        score(
            &model,
            &tokenizer,
            suite,
            Limits::default(),
            &mut |_| Ok(()),
        )
        .unwrap()
    };
    let fingerprint = folder.fingerprint(tokenizer.stop_tokens()).unwrap();
    let place = scratch.path().join("kept");
    let kept = KeptScores::of(place.clone(), fingerprint.clone(), "flex");
    for suite in &suites {
        assert_eq!(kept.find(suite).unwrap(), None);
        let scored = ask(suite);
        kept.keep(suite, &scored).unwrap();
        assert_eq!(kept.find(suite).unwrap(), Some(scored));
    }
    assert!(kept.find(&suites[1]).unwrap().unwrap().outputs[0].is_some());
    // Another model, another backend, other rows.
    let mut other = fingerprint.clone();
    other.weights.push('0');
    assert_eq!(
        KeptScores::of(place.clone(), other, "flex")
            .find(&suites[0])
            .unwrap(),
        None
    );
    assert_eq!(
        KeptScores::of(place.clone(), fingerprint, "cuda")
            .find(&suites[0])
            .unwrap(),
        None
    );
    let more = written(
        scratch.path(),
        "texts.txt",
        "Tom runs.\nAnn has a blue book.\n",
    );
    assert_eq!(kept.find(&open_texts(&more).unwrap()).unwrap(), None);
    // A damaged file is replaced.
    for file in std::fs::read_dir(&place).unwrap() {
        std::fs::write(file.unwrap().path(), "{").unwrap();
    }
    assert_eq!(kept.find(&suites[0]).unwrap(), None);
    kept.keep(&suites[0], &ask(&suites[0])).unwrap();
    assert!(kept.find(&suites[0]).unwrap().is_some());
}

#[test]
fn what_is_continued_has_no_end_token() {
    let (folder, model, tokenizer) = builtin("model");
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
        let from = folder.path().join(file);
        if from.is_file() {
            std::fs::copy(&from, copy.path().join(file)).unwrap();
        }
    }
    // A tokenizer that ends every whole text.
    let path = copy.path().join("tokenizer.json");
    let mut json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    json["post_processor"] = serde_json::json!({
        "type": "TemplateProcessing",
        "single": [
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 0}}],
        "special_tokens": {
            "<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}
        }
    });
    std::fs::write(&path, json.to_string()).unwrap();
    let ending = HfFolder::open(copy.path()).unwrap().tokenizer().unwrap();
    assert_eq!(ending.encode("a", true).unwrap().last(), Some(&0));

    let mut rows = requests();
    rows.retain(|row| !matches!(row.request, Request::Loss { .. }));
    let limits = Limits {
        rows: 4,
        tokens: 4096,
        context: Some(256),
    };
    let found = |tokenizer: &TextTokenizer| {
        let found = answers(&model, tokenizer, &rows, limits, &mut |_| Ok(())).unwrap();
        format!("{found:?}")
    };
    assert_eq!(found(&ending), found(&tokenizer));
}
