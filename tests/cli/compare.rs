//! `experiments compare`: methods side by side, from files of runs.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::resume::{start, without_seconds};
use crate::sweep::{SMALL, runs};
use crate::{experiments, fail, repository, scratch, succeed, write_plan};

fn arguments<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["compare", "--out", "compared"], &SMALL[..], more].concat()
}

/// What the runs of a folder found.
fn found(folder: &Path) -> Vec<(String, String)> {
    let names = runs(folder).into_iter();
    names
        .map(|name| {
            let text = fs::read_to_string(folder.join(&name)).unwrap();
            (name, without_seconds(&text))
        })
        .collect()
}

const METHODS: [&str; 4] = ["--method", "seqft,o-lora,per-task,osft", "--seeds", "0,1"];

#[test]
fn the_report_holds_every_method_and_its_figures_follow_from_the_files() {
    let folder = scratch();
    let mut arguments = arguments(&METHODS);
    // Enough to learn something: without that, nothing can be kept.
    for (place, value) in [(6, "96"), (8, "12"), (10, "4")] {
        arguments[place] = value;
    }
    arguments.extend(["--set", "train.global_batch=8", "--jobs", "2"]);
    arguments.extend(["--curves", "--set", "tune_grid=[1e-3]"]);
    let shown = succeed(folder.path(), &arguments);
    assert!(shown.contains("4 methods with 2 seeds each"), "{shown}");
    let out = folder.path().join("compared");
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    let labels = [
        "seqft",
        "o-lora",
        "per-task",
        "osft inputs core energy 0.95 outputs within 0.015",
    ];
    for label in labels {
        let row = format!("| {label} ");
        assert!(page.contains(&row), "no {row} in\n{page}");
    }
    for part in [
        "AA minus that of seqft",
        "## Safe learning rates",
        "Spearman's rank correlation",
        "## Answers in the right format",
        "stance %",
        "kept.svg",
        "distance.svg",
    ] {
        assert!(page.contains(part), "no {part} in\n{page}");
    }
    for file in ["kept.svg", "distance.svg"] {
        let picture = fs::read_to_string(out.join(file)).unwrap();
        assert!(picture.contains("o-lora"), "{file}");
        // It is no method that learns one task after another.
        assert!(!picture.contains("per-task"), "{file}");
    }
    let csv = fs::read_to_string(out.join("compare.csv")).unwrap();
    let results: Vec<String> = runs(&out);
    assert_eq!(csv.lines().count(), 1 + results.len());

    let mut carried_by_o_lora = Vec::new();
    for name in &results {
        let result: Value =
            serde_json::from_str(&fs::read_to_string(out.join(name)).unwrap()).unwrap();
        let last = result["scores"].as_array().unwrap().last().unwrap().clone();
        for task in 0..2 {
            let rows = result["row_scores"][task].as_array().unwrap();
            let sum: f64 = rows.iter().map(|row| row.as_f64().unwrap()).sum();
            // The score of a task is the mean of its rows, summed in another order.
            let score = last[task].as_f64().unwrap();
            assert!((sum / rows.len() as f64 - score).abs() < 1e-9, "{name}");
        }
        let shares = result["in_format"].as_array().unwrap();
        assert!(
            (0.0..=100.0).contains(&shares[0].as_f64().unwrap()),
            "{name}"
        );
        assert!(shares[1].is_null(), "sums have no labels: {name}");
        let carried: Vec<u64> = serde_json::from_value(result["carried_bytes"].clone()).unwrap();
        assert_eq!(carried.len(), 2, "{name}");
        if name.starts_with("result-seqft-") {
            assert_eq!(carried, [0, 0]);
        }
        if name.starts_with("result-o-lora-") {
            carried_by_o_lora.push(carried);
        }
    }
    // It keeps the adapter of every task.
    assert!(!carried_by_o_lora.is_empty());
    for carried in carried_by_o_lora {
        assert!(carried[1] > carried[0] && carried[0] > 0, "{carried:?}");
    }
}

#[test]
fn every_planned_run_has_a_line_however_it_ended() {
    let folder = scratch();
    // The product of rate and decay is taken from the weights, as a multiple of them: at the first rate all of them, at the
    // second one so much that their squares overflow.
    let mut more = vec!["--method", "seqft", "--seeds", "0,1", "--curves"];
    more.extend([
        "--set",
        "train.weight_decay=1e20",
        "--set",
        "tune_grid=[1e-20]",
    ]);
    more.extend(["--lr", "1"]);
    let shown = succeed(folder.path(), &arguments(&more));
    assert!(shown.contains("2 diverged"), "{shown}");
    let out = folder.path().join("compared");
    let lines = || -> Vec<String> {
        let csv = fs::read_to_string(out.join("compare.csv")).unwrap();
        let fields = csv.lines().skip(1).map(|line| line.splitn(6, ',').take(5));
        fields
            .map(|fields| fields.collect::<Vec<_>>().join(","))
            .collect()
    };
    assert_eq!(
        lines(),
        [
            "seqft,1e-20,false,0,scored",
            "seqft,1e0,true,0,diverged",
            "seqft,1e0,true,1,diverged"
        ]
    );
    let page = fs::read_to_string(out.join("report.md")).unwrap();
    // The rate of the curve has one seed, which both have.
    let mut rows = page
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let safe = rows.find(|cells| cells.get(1..3) == Some(&["seqft", "2"][..]));
    assert_eq!(safe.unwrap()[3..5], ["0", "1e-20"], "{page}");
    assert!(page.contains("not comparable"), "{page}");

    let scored = runs(&out)
        .into_iter()
        .find(|name| name.starts_with("result-"));
    fs::remove_file(out.join(scored.unwrap())).unwrap();
    more.push("--report");
    // With no result at all there is nothing to draw, and still a report on what diverged.
    let found = lines();
    let error = experiments(folder.path())
        .args(arguments(&more))
        .output()
        .unwrap();
    assert!(error.status.success(), "{error:?}");
    assert_ne!(lines(), found);
    assert_eq!(lines()[0], "seqft,1e-20,false,0,not run");
}

#[test]
fn a_comparison_that_is_killed_goes_on_and_finds_the_same() {
    // As settings and not as a flag: they name the methods too.
    let methods = "compare=['seqft','per-task','osft']";
    let more = ["--set", methods, "--jobs", "1"];
    let whole = scratch();
    succeed(whole.path(), &arguments(&more));
    let expected = found(&whole.path().join("compared"));
    assert_eq!(expected.len(), 3);

    let killed = scratch();
    let out = killed.path().join("compared");
    let mut child = start(killed.path(), &arguments(&more));
    let begun = Instant::now();
    while !out.is_dir() || runs(&out).is_empty() {
        assert!(begun.elapsed() < Duration::from_secs(300), "no run ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    child.wait().unwrap();
    let ended = runs(&out).len();
    // What is there is reported on, and what is missing is said.
    let mut report = arguments(&more);
    report.push("--report");
    let shown = succeed(killed.path(), &report);
    assert_eq!(shown.contains("not run"), ended < 3, "{shown}");
    let shown = succeed(killed.path(), &arguments(&more));
    let left = format!("3 runs: {ended} ended, {} to do", 3 - ended);
    assert!(shown.contains(&left), "no {left} in {shown}");
    assert_eq!(found(&out), expected);
}

/// What a comparison says that it compares, in a folder without a run to report on.
fn planned(folder: &Path, out: &str, arguments: &[&str]) -> String {
    fs::create_dir(folder.join(out)).unwrap();
    let output = experiments(folder).args(arguments).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains(&format!("{out} holds no run")), "{error}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_a_choice_all_methods_are_compared() {
    let folder = scratch();
    let shown = planned(folder.path(), "compared", &arguments(&["--report"]));
    let list = succeed(folder.path(), &["compare", "--help"]);
    // Those that `--method` may name.
    let names = list.split("--method").nth(1).unwrap();
    let names = names
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- "));
    let names = names.map_while(|line| line.split_once(':').map(|(name, _)| name));
    let count = names.take_while(|name| *name != "adamw").count();
    assert!(count > 5, "{list}");
    let planned = format!("{count} methods with 1 seed each");
    assert!(shown.contains(&planned), "no {planned} in\n{shown}");
}

#[test]
fn variants_of_a_plan_are_compared_each_at_one_rate() {
    let folder = scratch();
    let plan = r#"
        title = "t"
        rows = "test"
        seeds = [0]
        [run]
        order = "stance,sums"
        limit_train = 16
        limit_test = 4
        epochs = 1
        calibration = { base_rows = 8 }
        [[variants]]
        method = "osft"
        learning_rates = [1e-3]
        settings = { split = "weights", protected_share = { fixed = 0.5 } }
        [[variants]]
        method = "osft"
        learning_rates = [1e-3]
        settings = { split = "weights", protected_share = { fixed = 0.25 } }
    "#;
    fs::write(folder.path().join("plan.toml"), plan).unwrap();
    let run = ["compare", "--plan", "plan.toml", "--out", "compared"];
    succeed(folder.path(), &run);
    let page = fs::read_to_string(folder.path().join("compared/report.md")).unwrap();
    for label in ["| osft weights core 0.5 ", "| osft weights core 0.25 "] {
        assert!(page.contains(label), "no {label} in\n{page}");
    }
    assert!(page.contains("and 4 test rows per task"), "{page}");
    let two = plan.replacen("[1e-3]", "[1e-3, 3e-3]", 1);
    fs::write(folder.path().join("plan.toml"), two).unwrap();
    let error = fail(folder.path(), &run);
    assert!(error.contains("has 2 learning rates"), "{error}");
    // What a plan says is not said otherwise beside it.
    fs::write(folder.path().join("plan.toml"), plan).unwrap();
    for (more, words) in [
        (
            &["t5"][..],
            "is a plan for `experiments trace`, not for `experiments t5`",
        ),
        (&["--limit-train", "8"], "cannot be used with"),
        (&["--share", "0.5"], "--share has no effect with --plan"),
        (
            &["--curves", "--curve-seeds", "7"],
            "--curve-seeds shares no seed with --seeds",
        ),
    ] {
        let error = fail(folder.path(), &[&run[..], more].concat());
        assert!(error.contains(words), "{more:?}: {error}");
    }
    let other = plan.replacen("seeds = [0]", "seeds = [0]\nbenchmark = \"t5\"", 1);
    fs::write(folder.path().join("plan.toml"), other).unwrap();
    let error = fail(folder.path(), &run);
    assert!(error.contains("stance"), "no task of t5: {error}");
    let wrong = [&METHODS[..], &["--reference", "nobody"]].concat();
    let error = fail(folder.path(), &arguments(&wrong));
    assert!(
        error.contains("must name one of what is compared"),
        "{error}"
    );
}

#[test]
fn the_committed_ablations_can_be_planned() {
    let folder = scratch();
    let plans = repository().join("experiments/plans");
    let plan = |name: &str| plans.join(name).to_str().unwrap().to_string();
    let compared = [
        "compare",
        "--plan",
        &plan("ablations.toml"),
        "--out",
        "x",
        "--report",
    ];
    let shown = planned(folder.path(), "x", &compared);
    for label in ["adaptive", "0.1..0.8", "weight", "factored", "inputs"] {
        assert!(shown.contains(label), "no {label} in\n{shown}");
    }
    let rates = plan("ablations-rates.toml");
    let study = ["study", "run", &rates, "--out", "y", "--part", "9999/9999"];
    succeed(folder.path(), &study);
}

#[test]
fn a_folder_of_another_command_keeps_its_report() {
    let folder = scratch();
    let more = ["--method", "seqft", "--set", "tune_grid=[1e-3]"];
    let sweep = [&["sweep", "--out", "swept"], &SMALL[..], &more].concat();
    succeed(folder.path(), &sweep);
    let report = folder.path().join("swept/report.md");
    let before = fs::read_to_string(&report).unwrap();
    for report_only in [&[][..], &["--report"]] {
        let arguments = [
            &["compare", "--out", "swept"],
            &SMALL[..],
            &more,
            report_only,
        ]
        .concat();
        let error = fail(folder.path(), &arguments);
        assert!(error.contains("another command wrote it"), "{error}");
    }
    let variants = "[[variants]]\nmethod = \"seqft\"";
    write_plan(folder.path(), "validation", variants);
    for command in ["run", "report"] {
        let study = ["study", command, "plan.toml", "--out", "swept"];
        let error = fail(folder.path(), &study);
        assert!(error.contains("another command wrote it"), "{error}");
    }
    assert_eq!(fs::read_to_string(&report).unwrap(), before);
    // Nor is a report made of nothing.
    for out in ["nowhere", "."] {
        let arguments = [&["compare", "--report", "--out", out], &SMALL[..], &more].concat();
        let error = fail(folder.path(), &arguments);
        assert!(
            error.contains("there is no folder") || error.contains("holds no run"),
            "{error}"
        );
    }
}
