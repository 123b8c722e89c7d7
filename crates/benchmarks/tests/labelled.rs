//! Tasks in the CL benchmark's format: fixed labels, and prompts made from sentences.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use benchmarks::{BenchmarkError, Benchmarks, Format, Row, Suite, TaskRows, TaskSpec, load_task};

const FILES: [&str; 3] = ["train.json", "dev.json", "test.json"];

/// Writes the files of a task: one row per split, whose sentence is the file's name.
fn write(root: &Path, task: &TaskSpec, labels: Option<&str>, answers: [&str; 3]) {
    let folder = root.join(task.path());
    fs::create_dir_all(&folder).unwrap();
    if let Some(labels) = labels {
        fs::write(folder.join("labels.json"), labels).unwrap();
    }
    for (file, answer) in FILES.iter().zip(answers) {
        let row = format!(r#"[{{"sentence": "{file}", "label": "{answer}", "extra": 1}}]"#);
        fs::write(folder.join(file), row).unwrap();
    }
}

fn row(prompt: &str, answer: &str) -> Row {
    Row {
        prompt: prompt.to_string(),
        answer: answer.to_string(),
    }
}

fn task(name: &str) -> TaskSpec {
    Suite::cl_benchmark().order(name).unwrap()[0].clone()
}

#[test]
fn some_of_its_folders_identify_the_cl_benchmark() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir_all(root.path().join("TC")).unwrap();
    let none = Benchmarks::builtin().open(root.path()).unwrap_err();
    assert!(
        matches!(none, BenchmarkError::NotASuite { .. }),
        "a group without a task: {none}"
    );
    fs::create_dir_all(root.path().join("TC/dbpedia")).unwrap();
    assert_eq!(
        Benchmarks::builtin().open(root.path()).unwrap(),
        Suite::cl_benchmark()
    );
}

#[test]
fn a_prompt_contains_task_data_set_and_options() {
    let root = tempfile::tempdir().unwrap();
    let agnews = task("agnews");
    let labels = r#"["World", "Sports"]"#;
    write(
        root.path(),
        &agnews,
        Some(labels),
        ["Sports", "World", "Sports"],
    );
    let prompt = |sentence: &str| {
        format!(
            "Task:TC\nDataset:agnews\nWhat is the topic of the following paragraph? Choose one from \
             the option.\nOption: World, Sports \n{sentence}\nAnswer:"
        )
    };
    let expected = TaskRows {
        train: vec![row(&prompt("train.json"), "Sports")],
        validation: vec![row(&prompt("dev.json"), "World")],
        test: vec![row(&prompt("test.json"), "Sports")],
        labels: vec!["World".to_string(), "Sports".to_string()],
    };
    assert_eq!(load_task(root.path(), &agnews).unwrap(), expected);

    // COPA's sentences contain their question.
    let copa = task("COPA");
    write(root.path(), &copa, Some(r#"["A", "B"]"#), ["A", "B", "A"]);
    let rows = load_task(root.path(), &copa).unwrap();
    let prompt = "Task:COPA\nDataset:COPA\ntest.json\nAnswer:";
    assert_eq!(rows.test, [row(prompt, "A")]);
}

#[test]
fn rows_without_a_gold_label_are_read_and_unknown_labels_refused() {
    let root = tempfile::tempdir().unwrap();
    let task = task("MNLI");
    let labels = Some(r#"["neutral", "entailment"]"#);
    write(root.path(), &task, labels, ["neutral", "-", " entailment "]);
    let rows = load_task(root.path(), &task).unwrap();
    let answers = [&rows.train, &rows.validation, &rows.test].map(|rows| rows[0].answer.as_str());
    assert_eq!(answers, ["neutral", "-", " entailment "]);

    write(root.path(), &task, labels, ["neutral", "maybe", "neutral"]);
    let error = load_task(root.path(), &task).unwrap_err().to_string();
    let words = "dev.json, row 0 (from 0): unknown label \"maybe\"; the task's answers are neutral, \
        entailment";
    assert!(error.ends_with(words), "{error}");
}

#[test]
fn labels_of_the_suite_override_those_of_the_file() {
    let root = tempfile::tempdir().unwrap();
    let mut task = task("agnews");
    write(root.path(), &task, None, ["World", "World", "World"]);
    let error = load_task(root.path(), &task).unwrap_err().to_string();
    assert!(
        error.ends_with(
            "labels.json is missing: a task is a folder with labels.json, train.json, dev.json and \
             test.json"
        ),
        "{error}"
    );
    task.labels = vec!["World".to_string()];
    assert!(load_task(root.path(), &task).is_ok());
    // TRACE's format has no file of labels, so any answer is valid.
    task.labels.clear();
    task.format = Format::Prompts;
    let folder = root.path().join(task.path());
    for file in ["train.json", "eval.json", "test.json"] {
        fs::write(folder.join(file), r#"[{"prompt": "p", "answer": "-"}]"#).unwrap();
    }
    assert_eq!(load_task(root.path(), &task).unwrap().labels, [""; 0]);
}
