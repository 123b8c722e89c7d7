//! Reads valid and invalid suites and rows from disk.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use benchmarks::{BenchmarkError, Benchmarks, Row, Suite, load_rows, load_task};
use proptest::prelude::*;

const TRACE: [&str; 8] = [
    "C-STANCE",
    "FOMC",
    "MeetingBank",
    "Py150",
    "ScienceQA",
    "NumGLUE-cm",
    "NumGLUE-ds",
    "20Minuten",
];

fn write_task(root: &Path, task: &str, rows: &str) {
    let folder = root.join(task);
    fs::create_dir_all(&folder).unwrap();
    for split in ["train", "eval", "test"] {
        fs::write(folder.join(format!("{split}.json")), rows).unwrap();
    }
}

#[test]
fn the_folders_of_trace_identify_it() {
    let root = tempfile::tempdir().unwrap();
    let rows = r#"[{"prompt": "文本：\n桥建好了。\n对象：\n桥\n态度：", "answer": "A"},
                   {"answer": "C", "prompt": "Stance:", "extra": 1}]"#;
    for task in TRACE {
        write_task(root.path(), task, rows);
    }
    let suite = Benchmarks::builtin().open(root.path()).unwrap();
    assert_eq!(suite, Suite::trace());
    let order = suite.order("1").unwrap();
    assert_eq!(
        order.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(),
        TRACE
    );
    assert_eq!(suite.order("2").unwrap()[0].name, "NumGLUE-cm");
    for (split, prompt) in [("train", "1"), ("eval", "2")] {
        let path = root
            .path()
            .join("C-STANCE")
            .join(split)
            .with_extension("json");
        fs::write(path, rows.replace("Stance:", prompt)).unwrap();
    }
    let task = load_task(root.path(), order[0]).unwrap();
    let row = |prompt: &str, answer: &str| Row {
        prompt: prompt.to_string(),
        answer: answer.to_string(),
    };
    let first_order_with = |last: &str| {
        [
            row("文本：\n桥建好了。\n对象：\n桥\n态度：", "A"),
            row(last, "C"),
        ]
    };
    assert_eq!(task.train, first_order_with("1"));
    assert_eq!(task.validation, first_order_with("2"));
    assert_eq!(task.test, first_order_with("Stance:"));
    assert_eq!(task.labels, ["A", "B", "C"]);
}

#[test]
fn both_orders_of_trace_contain_all_tasks() {
    let suite = Suite::trace();
    for number in ["1", "2"] {
        let mut names: Vec<&str> = suite
            .order(number)
            .unwrap()
            .iter()
            .map(|task| task.name.as_str())
            .collect();
        names.sort();
        let mut all = TRACE;
        all.sort();
        assert_eq!(names, all, "order {number}");
    }
}

#[test]
fn an_error_names_the_answer_that_is_not_a_label() {
    let root = tempfile::tempdir().unwrap();
    let rows = r#"[{"prompt": "p", "answer": "A"}, {"prompt": "q", "answer": "-"}]"#;
    for task in TRACE {
        write_task(root.path(), task, rows);
    }
    let suite = Suite::trace();
    let load = |name: &str| load_task(root.path(), suite.order(name).unwrap()[0]);
    match load("FOMC") {
        Err(error @ BenchmarkError::UnknownLabel { row: 1, .. }) => {
            let text = error.to_string();
            assert!(text.contains("\"-\"") && text.contains("A, B, C"), "{text}");
        }
        other => panic!("{other:?}"),
    }
    assert!(load("NumGLUE-cm").is_ok(), "its answers are not fixed");
}

#[test]
fn a_suite_json_describes_a_suite() {
    let root = tempfile::tempdir().unwrap();
    let text = r#"{"name": "mine", "tasks": [{"name": "a", "score": "rouge_l",
        "max_new_tokens": 8, "epochs": 2}], "orders": [["a"]], "general": "general.json"}"#;
    fs::write(root.path().join("suite.json"), text).unwrap();
    let suite = Benchmarks::builtin().open(root.path()).unwrap();
    assert_eq!(suite.general.as_deref(), Some("general.json"));
    assert_eq!(suite.order("a").unwrap()[0].epochs, 2);
    fs::write(
        root.path().join("suite.json"),
        text.replace(", \"epochs\": 2", ""),
    )
    .unwrap();
    assert_eq!(
        Benchmarks::builtin().open(root.path()).unwrap().tasks[0].epochs,
        1
    );
    fs::write(
        root.path().join("suite.json"),
        text.replace("epochs", "epoch"),
    )
    .unwrap();
    let error = Benchmarks::builtin()
        .open(root.path())
        .unwrap_err()
        .to_string();
    // The list of known fields contains "epochs" in any case.
    assert!(error.contains("unknown field `epoch`"), "{error}");
}

#[test]
fn a_written_suite_is_read_back_and_omits_defaults() {
    for (suite, formats) in [(Suite::trace(), 0), (Suite::cl_benchmark(), 15)] {
        let root = tempfile::tempdir().unwrap();
        let text = serde_json::to_string(&suite).unwrap();
        fs::write(root.path().join("suite.json"), &text).unwrap();
        assert_eq!(Benchmarks::builtin().open(root.path()).unwrap(), suite);
        assert_eq!(text.matches("\"format\":").count(), formats);
    }
}

#[test]
fn the_error_about_an_unknown_folder_lists_its_content() {
    let root = tempfile::tempdir().unwrap();
    fs::create_dir(root.path().join("FOMC")).unwrap();
    let error = Benchmarks::builtin()
        .open(root.path())
        .unwrap_err()
        .to_string();
    let expected = format!("the folders of TRACE ({})", TRACE.join(", "));
    assert!(
        error.ends_with(", found FOMC") && error.contains(&expected),
        "{error}"
    );
    let empty = tempfile::tempdir().unwrap();
    let error = Benchmarks::builtin()
        .open(empty.path())
        .unwrap_err()
        .to_string();
    assert!(error.ends_with(", found nothing"), "{error}");
    let missing = Benchmarks::builtin()
        .open(&root.path().join("nowhere"))
        .unwrap_err();
    assert!(matches!(missing, BenchmarkError::Io { .. }));
}

#[test]
fn invalid_orders_are_refused() {
    let suite = Suite::trace();
    let order = suite.order(" FOMC, Py150").unwrap();
    let names: Vec<&str> = order.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["FOMC", "Py150"]);
    assert_eq!(suite.order(" 2 ").unwrap(), suite.order("2").unwrap());
    let unknown = |name: &str, suggestion: &str| {
        format!(
            "there is no task {name:?} in TRACE; its tasks are {}{suggestion}",
            TRACE.join(", ")
        )
    };
    let number = |order| format!("TRACE stores orders 1 to 2; there is no order {order}");
    let cases = [
        ("3", number(3)),
        ("0", number(0)),
        (
            "FOMC,FOMC",
            "order \"FOMC,FOMC\" names task \"FOMC\" twice".to_string(),
        ),
        ("fomc", unknown("fomc", "; did you mean \"FOMC\"?")),
        ("FOMC,Py15", unknown("Py15", "; did you mean \"Py150\"?")),
        // A name with only half of its characters right gets no suggestion.
        ("FOxx", unknown("FOxx", "")),
        ("", unknown("", "")),
    ];
    for (order, expected) in cases {
        assert_eq!(suite.order(order).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_error_names_the_bad_row() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("train.json");
    let cases = [
        (
            "[{\"prompt\": \"a\",\n \"answer\": \"b\"",
            ": EOF while parsing an object at line 2 column 14",
        ),
        (
            "{\"prompt\": \"a\"}",
            ": expected an array of rows, found an object",
        ),
        ("null", ": expected an array of rows, found null"),
        ("true", ": expected an array of rows, found a boolean"),
        ("\"rows\"", ": expected an array of rows, found a string"),
        ("[]", " holds no row"),
        (
            "[{\"prompt\": \"a\", \"answer\": \"b\"}, 3]",
            ", row 1 (from 0): expected an object, found a number",
        ),
        (
            "[[]]",
            ", row 0 (from 0): expected an object, found an array",
        ),
        (
            "[{\"prompt\": \"a\"}]",
            ", row 0 (from 0): the key \"answer\" is missing",
        ),
        (
            "[{\"prompt\": 1, \"answer\": \"b\"}]",
            ", row 0 (from 0): \"prompt\" must be a string, found a number",
        ),
        (
            "[{\"prompt\": \"a\", \"answer\": \"\"}]",
            ", row 0 (from 0): \"answer\" is empty",
        ),
    ];
    let error = |path: &Path| {
        let error = load_rows(path).unwrap_err().to_string();
        let rest = error.strip_prefix(&path.display().to_string());
        rest.unwrap_or(&error).to_string()
    };
    for (text, expected) in cases {
        fs::write(&path, text).unwrap();
        assert_eq!(error(&path), expected, "{text:?}");
    }
    assert_eq!(
        error(&root.path().join("test.json")),
        " is missing: a task is a folder with train.json, eval.json and test.json"
    );
    let folder = load_rows(root.path()).unwrap_err();
    assert!(matches!(folder, BenchmarkError::Io { .. }), "{folder}");
}

proptest! {
    #[test]
    fn rows_survive_writing_and_reading(texts in prop::collection::vec((".{1,20}", ".{1,20}"), 1..6)) {
        let rows: Vec<Row> = texts
            .into_iter()
            .map(|(prompt, answer)| Row { prompt, answer })
            .collect();
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("rows.json");
        fs::write(&path, serde_json::to_string(&rows).unwrap()).unwrap();
        prop_assert_eq!(load_rows(&path).unwrap(), rows);
    }
}
