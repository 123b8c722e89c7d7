//! Variants of OSFT: how they are typed, looked at and compared.

use std::fs;

use crate::{experiments, fail, only, repository, scratch, succeed, write_plan};

#[test]
fn flags_choose_source_form_and_share() {
    let folder = scratch();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["--osft-split", "both"], &["split = \"both\""]),
        (
            &["--osft-form", "factored-reprojected"],
            &[
                "form = \"factored_reprojected\"",
                "max_output_change = \"none\"",
            ],
        ),
        (
            &[],
            &["max_output_change = 0.015", "energy = 0.95", "osft = 0.006"],
        ),
        // The bound goes, and with it the rate and the share that belong to it.
        (
            &["--osft-max-output-change", "none"],
            &[
                "max_output_change = \"none\"",
                "energy = 0.9\n",
                "osft = 0.001",
            ],
        ),
        (
            &["--osft-split", "weights"],
            &["max_output_change = \"none\"", "osft = 0.001"],
        ),
        (
            &["--osft-max-output-change", "0.1"],
            &["max_output_change = 0.1"],
        ),
        (&["--share", "0.1..0.8"], &["first = 0.1", "last = 0.8"]),
        (
            &["--share", "adaptive-cka"],
            &["importance = \"linear_cka\"", "max = 0.8"],
        ),
        (&["--energy", "0.95"], &["energy = 0.95"]),
    ];
    for (arguments, lines) in cases {
        let all = [&["validate", "--print"], arguments].concat();
        let settings = succeed(folder.path(), &all);
        // What is typed changes `osft` and leaves the paper's variant alone.
        let (own, paper) = settings.split_once("[methods.osft-paper]").unwrap();
        for line in lines {
            assert!(own.contains(line), "{arguments:?}: no {line} in\n{own}");
        }
        assert!(paper.contains("fixed = 0.5"), "{paper}");
    }
    let mistakes: [(&[&str], &str); 3] = [
        (
            &["--share", "0.5", "--energy", "0.9"],
            "'--share <SHARE>' cannot be used with '--energy <ENERGY>'",
        ),
        (&["--share", "half"], "\"half\" is no share"),
        (
            &["--osft-max-output-change", "much"],
            "expected a number above 0, or `none` for no bound, found \"much\"",
        ),
    ];
    for (arguments, words) in mistakes {
        let mut command = experiments(folder.path());
        let output = command.arg("validate").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn what_is_typed_has_an_effect_or_is_refused() {
    let folder = scratch();
    let cases: [(&[&str], &str); 7] = [
        (
            &["--osft-form", "factored", "--osft-max-output-change", "0.1"],
            "set max_output_change = \"none\"",
        ),
        (
            &["--method", "osft-paper", "--share", "0.8"],
            "--share is a setting of osft",
        ),
        (
            &["--method", "seqft", "--osft-form", "weight"],
            "--osft-form is a setting of osft",
        ),
        (
            &["--method", "seqft", "--calibration-text", "notes.txt"],
            "none of seqft reads it",
        ),
        (
            &["--set", "train.learning_rate=0.5"],
            "learning_rates.METHOD",
        ),
        (
            &["--set", "train.global_batch=0"],
            "settings of seqft: global_batch",
        ),
        (&["--optimizer", "adagrad"], "adamw, adam, sgd, lion, muon"),
    ];
    for (arguments, words) in cases {
        let error = fail(folder.path(), &[&["validate"], arguments].concat());
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
    let error = fail(folder.path(), &["trace", "--tune", "--lr", "1e-3"]);
    assert!(error.contains("cannot be used with"), "{error}");
    let shown = succeed(folder.path(), &["validate", "--optimizer", "muon"]);
    assert!(shown.contains("optimizer muon"), "{shown}");
}

#[test]
fn a_study_goes_on_where_it_stopped_and_reports_every_variant() {
    let folder = scratch();
    let variants = r#"
        [[variants]]
        method = "seqft"
        pictures = ["all"]
        [[variants]]
        method = "osft"
        settings = { split = "weights", protected_share = { fixed = 0.5 } }
        pictures = ["all"]
    "#;
    write_plan(folder.path(), "validation", variants);
    let part = |part: &str| {
        let arguments = [
            "study",
            "run",
            "plan.toml",
            "--out",
            "study",
            "--part",
            part,
        ];
        succeed(folder.path(), &arguments)
    };
    for (name, count) in [("1/2", 1), ("2/2", 1), ("1/1", 0)] {
        let (shown, expected) = (part(name), format!("{count} of 2 runs to do here"));
        assert!(shown.lines().any(|line| line == expected), "{shown}");
    }
    let shown = succeed(
        folder.path(),
        &["study", "report", "plan.toml", "--out", "study"],
    );
    assert!(
        shown.contains("seqft") && shown.contains("osft weights core 0.5"),
        "{shown}"
    );
    let csv = fs::read_to_string(folder.path().join("study/study.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3);
    let page = fs::read_to_string(folder.path().join("study/report.md")).unwrap();
    assert!(
        page.contains("Scores are of the validation rows."),
        "{page}"
    );
    // The results know which rows they are of, whatever the plan says by now.
    write_plan(folder.path(), "test", variants);
    let report = ["study", "report", "plan.toml", "--out", "study"];
    succeed(folder.path(), &report);
    let page = fs::read_to_string(folder.path().join("study/report.md")).unwrap();
    assert!(
        page.contains("Scores are of the validation rows."),
        "{page}"
    );
    write_plan(folder.path(), "validation", variants);
    // Seeds of the folder that the plan does not have are not averaged.
    let plan = fs::read_to_string(folder.path().join("plan.toml")).unwrap();
    let other = plan.replacen("seeds = [0]", "seeds = [1]", 1);
    assert_ne!(plan, other);
    fs::write(folder.path().join("plan.toml"), other).unwrap();
    succeed(
        folder.path(),
        &["study", "report", "plan.toml", "--out", "study"],
    );
    let csv = fs::read_to_string(folder.path().join("study/study.csv")).unwrap();
    assert!(csv.contains("seqft,1e-3,0,0,1,"), "{csv}");
}

#[test]
fn a_setting_over_a_plan_holds_for_its_runs_and_its_report() {
    let folder = scratch();
    write_plan(
        folder.path(),
        "validation",
        "[[variants]]\nmethod = \"seqft\"\n[[variants]]\nmethod = \"osft\"\nsettings = { split = \"both\" }",
    );
    let (run, report) = (["study", "run"], ["study", "report"]);
    let common = ["plan.toml", "--out", "study"];
    let other = [
        "--set",
        "train.global_batch=4",
        "--set",
        "methods.osft.split=inputs",
    ];
    succeed(folder.path(), &[&run[..], &common, &other].concat());
    let result = only(
        &folder.path().join("study"),
        "result-seqft-lr1e-3-*-seed0.json",
    );
    let result: serde_json::Value = serde_json::from_slice(&fs::read(result).unwrap()).unwrap();
    assert_eq!(result["identity"]["settings"]["train"]["global_batch"], 4);
    // Over what a variant says too.
    only(
        &folder.path().join("study"),
        "result-osft-inputs-core-energy-0.95-outputs-within-0.015-lr1e-3-*-seed0.json",
    );
    let scored = |more: &[&str]| {
        succeed(folder.path(), &[&report[..], &common, more].concat());
        let csv = fs::read_to_string(folder.path().join("study/study.csv")).unwrap();
        csv.lines().nth(1).unwrap().starts_with("seqft,1e-3,1,0,0,")
    };
    assert!(scored(&other));
    assert!(
        !scored(&[]),
        "a run with another setting is none of the plan"
    );
    let error = fail(
        folder.path(),
        &[&run[..], &common, &["--set", "compare=1"]].concat(),
    );
    assert!(
        error.contains("the methods are those of the variants"),
        "{error}"
    );
}

#[test]
fn a_study_lists_rates_at_which_nothing_has_scores() {
    let folder = scratch();
    let variants = r#"
        [[variants]]
        method = "seqft"
        learning_rates = [0.5, 1.0]
    "#;
    write_plan(folder.path(), "validation", variants);
    let plan = fs::read_to_string(folder.path().join("plan.toml")).unwrap();
    // So much is taken from the weights that their squares overflow.
    let plan = plan.replace("[run]", "[run]\n        train = { weight_decay = 1e20 }");
    fs::write(folder.path().join("plan.toml"), plan).unwrap();
    let study = ["study", "run", "plan.toml", "--out", "study"];
    // One of the two runs.
    succeed(folder.path(), &[&study[..], &["--part", "1/2"]].concat());
    let report = ["study", "report", "plan.toml", "--out", "study"];
    succeed(folder.path(), &report);
    let csv = fs::read_to_string(folder.path().join("study/study.csv")).unwrap();
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    assert_eq!(rows.len(), 2, "{csv}");
    assert!(rows[0].starts_with("seqft,5e-1,0,1,0,,"), "{csv}");
    assert!(rows[1].starts_with("seqft,1e0,0,0,1,,"), "{csv}");
    let page = fs::read_to_string(folder.path().join("study/report.md")).unwrap();
    for cell in [" 1 diverged |", " 1 not run |"] {
        assert!(page.contains(cell), "no {cell} in\n{page}");
    }
}

/// Runs of a plan: every variant at each of its learning rates with every seed.
fn runs_of(plan: &str) -> usize {
    let plan: toml::Table = plan.parse().unwrap();
    let count = |table: &toml::Table, key: &str| {
        let list = table.get(key)?.as_array().unwrap();
        Some(list.len())
    };
    let rates = count(&plan, "learning_rates");
    let of = |variant: &toml::Value| {
        let own = count(variant.as_table().unwrap(), "learning_rates");
        // One that names none has that of its method.
        own.or(rates).unwrap_or(1)
    };
    let variants = plan["variants"].as_array().unwrap().iter();
    variants.map(of).sum::<usize>() * count(&plan, "seeds").unwrap()
}

#[test]
fn the_plans_behind_the_committed_studies_can_be_read() {
    let folder = scratch();
    // One of them is about a suite of another seed, which its comment says how to generate.
    let generate = ["datasets", "generate", "--seed", "1", "--out", "suite1"];
    succeed(folder.path(), &generate);
    let plans = repository().join("results/splits");
    let mut count = 0;
    for entry in fs::read_dir(plans).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "toml")
        {
            count += 1;
            // A part that takes no run reads the plan and does nothing.
            let plan = path.to_str().unwrap();
            let arguments = ["study", "run", plan, "--out", "x", "--part", "9999/9999"];
            let shown = succeed(folder.path(), &arguments);
            let runs = runs_of(&fs::read_to_string(&path).unwrap());
            let expected = format!("0 of {runs} runs to do here");
            assert!(
                shown.lines().any(|line| line == expected),
                "{expected}: {shown}"
            );
        }
    }
    assert!(count > 0);
}

#[test]
fn a_plan_says_everything_in_one_place() {
    let folder = scratch();
    let variants = "[[variants]]\nmethod = \"seqft\"";
    write_plan(folder.path(), "test", variants);
    let plan = fs::read_to_string(folder.path().join("plan.toml")).unwrap();
    for (line, words) in [
        ("seeds = [4]", "run.seeds"),
        ("compare = [\"osft\"]", "run.compare"),
        ("methods = [\"osft\"]", "run.compare"),
        ("learning_rates = { seqft = 0.5 }", "run.learning_rates"),
        ("benchmark = \"t5\"", "run.benchmark"),
    ] {
        let wrong = plan.replace("[run]", &format!("[run]\n        {line}"));
        fs::write(folder.path().join("wrong.toml"), wrong).unwrap();
        let error = fail(
            folder.path(),
            &["study", "run", "wrong.toml", "--out", "study"],
        );
        assert!(error.contains(words), "{line}: {error}");
        assert!(!folder.path().join("study").exists(), "{line}");
    }
}

#[test]
fn a_half_of_the_probe_can_be_kept_for_reporting() {
    let folder = scratch();
    let answers = |half: &str| -> usize {
        let half = format!("general_rows={half}");
        let arguments = ["validate", "--method", "seqft", "--set", &half];
        let shown = succeed(folder.path(), &arguments);
        let (before, _) = shown.split_once(" answers per seed").unwrap();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let [all, odd, even] = ["all", "odd", "even"].map(answers);
    // 200 questions, before the first and after the last task.
    assert_eq!((all - odd, all - even), (200, 200));
    let error = fail(folder.path(), &["validate", "--set", "general_rows=half"]);
    assert!(error.contains("general_rows"), "{error}");
}
