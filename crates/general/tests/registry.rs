//! Suites and protocols by name, what a suite is known by, and manifests.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{folder, lines, open};
use general::{
    Expected, Fault, GeneralError, Grading, GroupMean, Manifest, Prompt, Protocol, Request, Rules,
    Suite, SuiteKind, Suites,
};
use serde_json::json;

#[test]
fn unknown_names_are_answered_with_the_list() {
    let suites = Suites::builtin();
    let open = |name, protocol| {
        let opened = suites.open(&[name], protocol, Path::new("nowhere"));
        opened.unwrap_err().to_string()
    };
    assert_eq!(
        open("hellaswag", Protocol::Trace),
        "there is no suite \"hellaswag\"; the suites are mmlu, gsm8k, bbh, tydiqa, boolq, piqa, loss"
    );
    assert_eq!(
        open("tydiqa", Protocol::LmEval),
        "the protocol lm-eval has no suite \"tydiqa\": leave it out, or measure it by trace"
    );
    assert_eq!(
        "helm".parse::<Protocol>().unwrap_err().to_string(),
        "there is no protocol \"helm\"; the protocols are trace, lm-eval"
    );
    for protocol in Protocol::ALL {
        assert_eq!(protocol.name().parse::<Protocol>().unwrap(), protocol);
    }
}

#[test]
fn a_name_is_refused_before_files_are_read() {
    let opened = Suites::builtin().open(&["mmlu", "x"], Protocol::Trace, Path::new("nowhere"));
    assert!(matches!(opened, Err(GeneralError::UnknownSuite { .. })));
}

#[test]
fn protocols_have_their_suites() {
    let names = |protocol| -> Vec<_> {
        let suites = Suites::builtin();
        suites.of(protocol).map(|kind| kind.name()).collect()
    };
    let trace = ["mmlu", "gsm8k", "bbh", "tydiqa", "boolq", "piqa", "loss"];
    assert_eq!(names(Protocol::Trace), trace);
    let lm_eval = ["mmlu", "gsm8k", "bbh", "boolq", "piqa", "loss"];
    assert_eq!(names(Protocol::LmEval), lm_eval);
}

/// A suite of a program of one's own.
#[derive(Debug)]
struct Echo(&'static str, u32);

impl SuiteKind for Echo {
    fn name(&self) -> &'static str {
        self.0
    }

    fn help(&self) -> &'static str {
        "Repeats a word"
    }

    fn protocols(&self) -> &'static [Protocol] {
        &[]
    }

    fn files(&self, _: Protocol) -> &'static [&'static str] {
        &[]
    }

    fn open(&self, _: &Path, _: Protocol) -> Result<Suite, GeneralError> {
        let request = Request::Generate {
            prompt: Prompt::alone("Say a.".to_string()),
            stop: Vec::new(),
            max_new_tokens: 4,
        };
        let rules = Rules {
            name: self.0.to_string(),
            protocol: None,
            version: self.1,
            mean: GroupMean::Rows,
            grading: Grading::Text(&[("said", |row, output| {
                f64::from(row.texts().iter().any(|text| text == output)) * 100.0
            })]),
        };
        let expected = Expected::Texts(vec!["a".to_string()]);
        Ok(Suite::new(rules, [("all".to_string(), request, expected)]))
    }
}

#[test]
fn a_suite_can_be_added_or_replaced() {
    let suites = Suites::builtin()
        .with(Echo("echo", 1))
        .with(Echo("loss", 1));
    let names = suites.names();
    assert_eq!(names[names.len() - 2..], ["echo", "loss"]);
    assert_eq!(names.iter().filter(|name| **name == "loss").count(), 1);
    let suite = suites.open(&["echo"], Protocol::Trace, Path::new("nowhere"));
    let score = suite.unwrap()[0].score(&[common::text("a")]).unwrap();
    assert_eq!(score.main().unwrap().mean, 100.0);
}

#[test]
fn a_suite_is_known_by_all_that_changes_its_score() {
    let hash = |question: &str, answer: bool, protocol| {
        let row = json!({"question": question, "passage": "p", "answer": answer, "id": 1});
        let folder = folder(&[("boolq.jsonl", lines([row]))]);
        open("boolq", protocol, folder.path()).hash().unwrap()
    };
    let first = hash("q", true, Protocol::Trace);
    assert_eq!(first.len(), 64);
    assert_eq!(first, hash("q", true, Protocol::Trace));
    assert_ne!(first, hash("r", true, Protocol::Trace));
    assert_ne!(first, hash("q", false, Protocol::Trace));
    assert_ne!(first, hash("q", true, Protocol::LmEval));

    let nowhere = Path::new("nowhere");
    let of = |name, version| Echo(name, version).open(nowhere, Protocol::Trace).unwrap();
    assert_ne!(of("a", 1).hash().unwrap(), of("a", 2).hash().unwrap());
    assert_ne!(of("a", 1).hash().unwrap(), of("b", 1).hash().unwrap());
}

#[test]
fn the_first_rows_of_every_group_can_be_taken() {
    let row =
        |task: &str, input: usize| json!({"task": task, "input": input.to_string(), "target": "x"});
    let rows = (0..3).flat_map(|n| [row("navigate", n), row("snarks", n)]);
    let example = "Do.\n\nQ: q\nA: Let's think step by step.\nSo.".to_string();
    let files = [
        ("bbh.jsonl", lines(rows)),
        ("prompts/bbh/navigate.txt", example.clone()),
        ("prompts/bbh/snarks.txt", example),
    ];
    let folder = folder(&files);
    let whole = open("bbh", Protocol::Trace, folder.path());
    let hash = whole.hash().unwrap();
    let short = whole.first_per_group(2);
    let names: Vec<_> = short.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["navigate/0", "snarks/0", "navigate/1", "snarks/1"]);
    assert_ne!(short.hash().unwrap(), hash);
}

/// SHA-256 of "abc", from FIPS 180-2, appendix B.1.
const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

fn manifest(path: &str, sha256: &str) -> Result<Manifest, GeneralError> {
    let text = format!(
        "[[file]]\npath = {path:?}\nurl = \"https://example.org/a\"\nbytes = 3\nsha256 = {sha256:?}\n\
         licence = \"MIT\"\n"
    );
    let folder = folder(&[("manifest.toml", text)]);
    Manifest::read(&folder.path().join("manifest.toml"))
}

#[test]
fn a_manifest_finds_files_that_are_missing_or_differ() {
    let manifest = manifest("prompts/a.txt", ABC).unwrap();
    let faults = |content: Option<&str>| {
        let files = content.map(|content| ("prompts/a.txt", content.to_string()));
        let folder = folder(&files.into_iter().collect::<Vec<_>>());
        let faults = manifest.verify(folder.path()).unwrap();
        faults
            .into_iter()
            .map(|(file, fault)| (file.path.clone(), fault))
            .collect::<Vec<_>>()
    };
    let path = "prompts/a.txt".to_string();
    assert_eq!(faults(Some("abc")), []);
    assert_eq!(faults(None), [(path.clone(), Fault::Missing)]);
    assert_eq!(
        faults(Some("abcd")),
        [(path.clone(), Fault::Size { found: 4 })]
    );
    assert_eq!(
        faults(Some("ab")),
        [(path.clone(), Fault::Size { found: 2 })]
    );
    match &faults(Some("abx"))[..] {
        [(found, Fault::Checksum { found: hash })] => {
            assert_eq!((found, hash.len()), (&path, 64));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_manifest_stays_in_its_folder() {
    for path in ["../a", "/etc/a", "a/../../b", ""] {
        let error = manifest(path, ABC).unwrap_err().to_string();
        let expected = format!("{path:?} is not a path below the folder");
        assert!(error.ends_with(&expected), "{error}");
    }
    let error = manifest("a", "12").unwrap_err().to_string();
    assert!(error.contains("is not a SHA-256"), "{error}");
    let folder = folder(&[("manifest.toml", "[[file]]\npath = 3\n".to_string())]);
    let error = Manifest::read(&folder.path().join("manifest.toml")).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}
