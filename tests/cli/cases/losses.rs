//! Losses of a first step, beside those of transformers 5.24 (4.57.6 for what it alone saves) on the same
//! rows.

use serde_json::{Value, json};

use super::{Case, changed, framed, llama, questions, t5};

/// Against f32 references that are printed with seven digits.
const RELATIVE: f64 = 1e-4;
/// Loss of the plain model over the plain rows.
const PLAIN: f64 = 6.383375;

#[test]
fn losses_are_those_of_the_reference() {
    /// Name, case, loss, gradient norm, tokens of the step, words that are said.
    type Right<'a> = (&'a str, Case, f64, Option<f64>, Option<u64>, &'a [&'a str]);
    let own_head = |case: &mut Case| case.weights = "llama-own-head.safetensors";
    let tied = |case: &mut Case| case.config["tie_word_embeddings"] = json!(true);
    // No file of the model names an end token.
    let unnamed = |case: &mut Case| {
        case.config.as_object_mut().unwrap().remove("eos_token_id");
        case.generation = Value::Null;
    };
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
                unnamed(case);
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
            changed(llama(), unnamed),
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
