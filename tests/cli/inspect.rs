//! `experiments inspect`: what a split protects, and shares that follow from the loss.

use std::fs;

use crate::{fail, scratch, succeed};

#[test]
fn inspect_shows_the_split_and_what_the_rest_carries() {
    let folder = scratch();
    fs::write(
        folder.path().join("notes.txt"),
        "A red fox runs.\n\nIt was a cold day in the north.\nShe sold nine apples.\n".repeat(5),
    )
    .unwrap();
    let arguments = [
        "inspect",
        "--text",
        "notes.txt",
        "--rows",
        "10",
        "--share",
        "0.5",
        "--out",
        "seen",
    ];
    let shown = succeed(folder.path(), &arguments);
    for word in [
        "osft inputs core 0.5",
        "layers.3.mlp.down_proj.weight",
        "192/384",
        "inputs 99 %",
        "directions kept",
    ] {
        assert!(shown.contains(word), "no {word} in\n{shown}");
    }
    for file in ["report.md", "weights.svg", "inputs.svg", "truncation.svg"] {
        assert!(folder.path().join("seen").join(file).is_file(), "no {file}");
    }
    let adaptive = succeed(
        folder.path(),
        &[
            "inspect",
            "--rows",
            "10",
            "--tokens",
            "12",
            "--osft-split",
            "weights",
            "--share",
            "adaptive",
            "--no-probe",
        ],
    );
    assert!(adaptive.contains("importance"), "{adaptive}");
    assert!(!adaptive.contains("directions kept"), "{adaptive}");
    // Spectra and truncation are those of the hard split of one source.
    let few = r"layers\.[03]\.mlp\..*weight$";
    let small = ["inspect", "--rows", "10", "--tokens", "12", "--target", few];
    for flags in [
        ["--osft-scaling", "ridge"],
        ["--osft-scaling", "scaled"],
        ["--osft-combine", "union"],
        ["--osft-split", "inputs_and_gradients"],
    ] {
        let shown = succeed(folder.path(), &[&small[..], &flags].concat());
        assert!(shown.contains("directions kept"), "{flags:?}: {shown}");
    }
    let error = fail(
        folder.path(),
        &[
            &small[..],
            &[
                "--osft-scaling",
                "ridge",
                "--shares-by-loss",
                "0.1",
                "--out",
                "no",
            ],
        ]
        .concat(),
    );
    assert!(error.contains("set scaling = \"hard\""), "{error}");
}

#[test]
fn shares_by_loss_are_settings_that_a_run_takes() {
    let folder = scratch();
    let find = |limit: &str, out: &str| -> Vec<(String, f64, f64)> {
        let arguments = [
            "inspect",
            "--rows",
            "20",
            "--tokens",
            "16",
            "--target",
            "layers.[03].mlp.*_proj.weight",
            "--no-probe",
            "--shares-by-loss",
            limit,
            "--out",
            out,
        ];
        let shown = succeed(folder.path(), &arguments);
        let (_, table) = shown.split_once("cost, nats").unwrap();
        let rows = table.lines().filter(|line| line.contains("_proj"));
        let cells = rows.map(|row| {
            let cells: Vec<&str> = row.split(['│', '┆']).map(str::trim).collect();
            (
                cells[1].to_string(),
                cells[2].parse().unwrap(),
                cells[5].parse().unwrap(),
            )
        });
        cells.collect()
    };
    let (strict, loose) = (find("0.002", "strict"), find("0.2", "loose"));
    assert_eq!(strict.len(), 6);
    for ((path, energy, cost), (_, less, more)) in strict.iter().zip(&loose) {
        assert!(*cost <= 0.002 && *more <= 0.2, "{path}: {cost} {more}");
        assert!(less <= energy, "{path}: {less} {energy}");
    }
    assert_ne!(strict, loose);
    let settings = fs::read_to_string(folder.path().join("strict/shares.toml")).unwrap();
    assert!(
        settings.contains("[[methods.osft.target_shares]]"),
        "{settings}"
    );
    let named = strict
        .iter()
        .filter(|(path, ..)| settings.contains(&path.replace('.', r"\.")));
    assert_eq!(named.count(), 6, "{settings}");
    let run = [
        "trace",
        "--method",
        "osft",
        "--order",
        "stance",
        "--limit-train",
        "16",
        "--limit-test",
        "4",
        "--epochs",
        "1",
        "--config",
        "strict/shares.toml",
        "--out",
        "run",
    ];
    let shown = succeed(folder.path(), &run);
    let label = shown
        .lines()
        .find(|line| line.contains("osft inputs core energy 0.95"));
    let label = label.unwrap_or_else(|| panic!("{shown}"));
    assert!(
        label.contains("0.95, "),
        "no shares of single targets: {label}"
    );
    assert!(label.contains("outputs within 0.015"), "{label}");
    let error = fail(
        folder.path(),
        &["inspect", "--shares-by-loss", "0", "--out", "none"],
    );
    assert!(
        error.contains("expected a number of nats per token above 0"),
        "{error}"
    );
    let error = fail(folder.path(), &["inspect", "--shares-by-loss", "0.1"]);
    assert!(error.contains("--out"), "{error}");
}
