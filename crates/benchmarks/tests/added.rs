//! A benchmark and a score that a program adds to the lists.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use benchmarks::{
    Benchmark, BenchmarkError, Benchmarks, Format, Preset, Score, Scores, Suite, TaskScore,
    TaskSpec, load_task,
};

/// Two tasks about colours.
#[derive(Debug)]
struct Colours;

impl Benchmark for Colours {
    fn command(&self) -> &'static str {
        "colours"
    }

    fn help(&self) -> &'static str {
        "Learn the names of colours"
    }

    fn suite(&self) -> Suite {
        let task = |name: &str, score| TaskSpec {
            name: name.to_string(),
            score,
            max_new_tokens: 4,
            epochs: 2,
            labels: Vec::new(),
            folder: None,
            format: Format::Prompts,
        };
        Suite {
            name: "Colours".to_string(),
            tasks: vec![
                task("warm", Score::new(Length)),
                task("cold", Score::accuracy()),
            ],
            orders: vec![
                vec!["warm".to_string(), "cold".to_string()],
                vec!["cold".to_string()],
            ],
            general: None,
        }
    }

    fn published(&self) -> Option<&'static str> {
        Some(
            r#"
            [[sources]]
            key = "paint"
            text = "A table of paints"
            caveat = "Painted by eye"

            [[rows]]
            source = "paint"
            method = "brush"
            accuracy = { 1 = 50.0, 2 = 60.0 }
            "#,
        )
    }

    fn presets(&self) -> &'static [Preset] {
        &[Preset {
            name: "bright",
            help: "Colours by daylight",
            settings: "epochs = 3",
        }]
    }
}

/// The shorter of two lengths as a share of the longer one.
#[derive(Debug)]
struct Length;

impl TaskScore for Length {
    fn name(&self) -> &'static str {
        "length"
    }

    fn help(&self) -> &'static str {
        "The answer is as long as the expected one"
    }

    fn row_score(&self, _prompt: &str, answer: &str, reference: &str) -> f64 {
        let (a, b) = (answer.chars().count(), reference.chars().count());
        100.0 * a.min(b) as f64 / a.max(b) as f64
    }
}

fn write_task(root: &Path, task: &str) {
    let folder = root.join(task);
    fs::create_dir_all(&folder).unwrap();
    for split in ["train", "eval", "test"] {
        let rows = format!(r#"[{{"prompt": "{split} of {task}", "answer": "red"}}]"#);
        fs::write(folder.join(format!("{split}.json")), rows).unwrap();
    }
}

#[test]
fn an_added_benchmark_is_found_by_command_suite_folder_and_preset() {
    let all = Benchmarks::builtin().with(Colours);
    let commands: Vec<&str> = all.iter().map(|entry| entry.command()).collect();
    assert_eq!(commands, ["trace", "t5", "colours"]);
    let benchmark = all.find("colours").unwrap();
    assert_eq!(benchmark.help(), "Learn the names of colours");
    assert_eq!((benchmark.settings(), benchmark.given_settings()), ("", ""));
    assert!(benchmark.examples().is_empty() && benchmark.builtin().is_none());
    assert_eq!(all.suite("Colours"), Some(Colours.suite()));
    let (benchmark, preset) = all.preset("bright").unwrap();
    let names = (benchmark.command(), preset.settings);
    assert_eq!(names, ("colours", "epochs = 3"));

    let root = tempfile::tempdir().unwrap();
    write_task(root.path(), "warm");
    let error = all.open(root.path()).unwrap_err().to_string();
    let expected = "those of the CL benchmark (TC/dbpedia, SC/amazon, …) or those of Colours (warm, \
        cold), found warm";
    assert!(error.ends_with(expected), "{error}");
    write_task(root.path(), "cold");
    let suite = all.open(root.path()).unwrap();
    let order = suite.order("1").unwrap();
    let rows = load_task(root.path(), order[1]).unwrap();
    assert_eq!(rows.test[0].prompt, "test of cold");
    assert_eq!(order[0].score.task_score(&["p"], &["re"], &["teal"]), 50.0);
    let builtin = Benchmarks::builtin();
    assert!(builtin.open(root.path()).is_err() && builtin.find("colours").is_none());
}

#[test]
fn published_scores_of_an_added_benchmark_are_read_and_errors_name_it() {
    let all = Benchmarks::builtin().with(Colours);
    let published = all.published("Colours", &["2"]).unwrap().unwrap();
    let figures = published.rows.iter().map(|row| row.average_accuracy);
    assert_eq!(figures.collect::<Vec<_>>(), [Some(60.0)]);
    assert_eq!(all.released_rows("warm"), None);
    assert_eq!(all.released_rows("CB"), Some((250, 56)));

    /// The same benchmark with scores in an invalid form.
    #[derive(Debug)]
    struct Unreadable;
    impl Benchmark for Unreadable {
        fn command(&self) -> &'static str {
            Colours.command()
        }
        fn help(&self) -> &'static str {
            "Takes the place of the other"
        }
        fn suite(&self) -> Suite {
            Colours.suite()
        }
        fn published(&self) -> Option<&'static str> {
            Some("figures = 1")
        }
    }
    let all = all.with(Unreadable);
    assert_eq!(all.iter().count(), 3);
    let error = all.published("Colours", &["2"]).unwrap_err().to_string();
    let expected = "the published figures on Colours are not of the expected form: ";
    assert!(
        error.starts_with(expected) && error.contains("figures"),
        "{error}"
    );
}

#[test]
fn a_description_uses_scores_of_the_list() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("suite.json");
    let text = r#"{"name": "mine", "orders": [["a"]],
        "tasks": [{"name": "a", "score": "length", "max_new_tokens": 8}]}"#;
    fs::write(&path, text).unwrap();
    let error = Benchmarks::builtin().open(root.path()).unwrap_err();
    assert!(matches!(error, BenchmarkError::UnknownScore { .. }));
    let expected = "suite.json: task \"a\" has the unknown score \"length\"; the scores are accuracy, \
        exact_match, first_character, rouge_l, sari, fuzzy_ratio";
    assert!(error.to_string().ends_with(expected), "{error}");

    let scores = Scores::builtin().with(Length);
    let all = Benchmarks::builtin().with_scores(scores);
    let suite = all.open(root.path()).unwrap();
    let score = &suite.tasks[0].score;
    assert_eq!((score, score.help()), (&Score::new(Length), Length.help()));
    assert_eq!(serde_json::to_string(score).unwrap(), r#""length""#);
    // The rules that all scores share apply to it too.
    assert_eq!(score.task_score(&["p"; 2], &["", "ab"], &["a", "a"]), 25.0);
    assert!(score.reads_whole_answer());
}

#[test]
fn built_in_scores_are_serialized_by_name() {
    let scores = Scores::builtin();
    assert_eq!(
        scores.names(),
        [
            "accuracy",
            "exact_match",
            "first_character",
            "rouge_l",
            "sari",
            "fuzzy_ratio"
        ]
    );
    for score in scores.iter() {
        let text = serde_json::to_string(score).unwrap();
        assert_eq!(text, format!("\"{}\"", score.name()));
        assert_eq!(scores.find(score.name()), Some(score));
        let reads_whole_answer = score.name() != "first_character";
        assert_eq!(score.reads_whole_answer(), reads_whole_answer);
        assert!(!score.help().is_empty());
    }
    assert_eq!(scores.find("accurate"), None);
    assert_eq!(format!("{:?}", Score::rouge_l()), "RougeL");
}

#[test]
fn built_in_settings_are_toml_and_preset_names_are_unique() {
    let all = Benchmarks::builtin();
    let mut names = Vec::new();
    for entry in all.iter() {
        let presets = entry.presets();
        let texts = presets.iter().map(|preset| preset.settings);
        let bounded = [false, true].map(|given| entry.bounded_settings(given));
        let own = [entry.settings(), entry.given_settings()];
        for text in texts.chain(own).chain(bounded) {
            toml::from_str::<toml::Table>(text).unwrap();
        }
        for preset in presets {
            assert!(!preset.help.is_empty());
            let (benchmark, found) = all.preset(preset.name).unwrap();
            assert_eq!((benchmark.command(), found), (entry.command(), preset));
            names.push(preset.name);
        }
        assert_eq!(all.suite(&entry.suite().name), Some(entry.suite()));
    }
    assert_eq!(
        names,
        [
            "trace-paper",
            "trace-scripts",
            "tuned",
            "o-lora",
            "paper",
            "paper-script"
        ]
    );
    let settings: toml::Table = toml::from_str(all.find("t5").unwrap().settings()).unwrap();
    assert_eq!(settings["benchmark"].as_str(), Some("t5"));
}
