//! Tables are those of the committed reports, bounds and counts those of the tests.

use std::collections::BTreeMap;

use integration_tests::repository;

use super::pages::read;

/// A Markdown table: its header and its rows, every cell without bold and white space around it.
struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

fn tables(text: &str) -> Vec<Table> {
    let cells = |line: &str| -> Vec<String> {
        let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
        let cell = |cell: &str| cell.trim().trim_matches('*').to_string();
        inner.split('|').map(cell).collect()
    };
    let mut found: Vec<Table> = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with('|') {
            inside = false;
        } else if !inside {
            inside = true;
            let (header, rows) = (cells(line), Vec::new());
            found.push(Table { header, rows });
        } else if !line.chars().all(|c| "|-: ".contains(c)) {
            let table = found.last_mut().unwrap();
            table.rows.push(cells(line));
            assert_eq!(
                table.rows.last().unwrap().len(),
                table.header.len(),
                "{line}"
            );
        }
    }
    found
}

/// The one table of a page whose header holds all of some words.
fn page_table(page: &str, words: &[&str]) -> Table {
    let holds = |table: &Table| {
        let mut words = words.iter();
        words.all(|word| table.header.iter().any(|cell| cell == word))
    };
    let mut found = tables(&read(page)).into_iter().filter(holds);
    let table = found
        .next()
        .unwrap_or_else(|| panic!("no table with {words:?}"));
    assert!(found.next().is_none(), "two tables with {words:?}");
    assert!(!table.rows.is_empty());
    table
}

/// A source's rows by their first cell, each with its cells by the header.
fn rows_of(path: &str, header: &str) -> BTreeMap<String, BTreeMap<String, String>> {
    let table = tables(&read(path)).into_iter();
    let table = table.filter(|table| table.header.iter().any(|cell| cell == header));
    let tables: Vec<Table> = table.collect();
    assert_eq!(tables.len(), 1, "{path}: tables with {header:?}");
    let named = |row: &Vec<String>| -> BTreeMap<String, String> {
        let cells = tables[0].header.iter().cloned().zip(row.iter().cloned());
        let mut seen = BTreeMap::new();
        for (name, cell) in cells {
            // The same header may stand over several columns: the first one, the second one, …
            let times = seen
                .keys()
                .filter(|k: &&String| k.trim_end_matches('\'') == name)
                .count();
            seen.insert(format!("{name}{}", "'".repeat(times)), cell);
        }
        seen
    };
    tables[0]
        .rows
        .iter()
        .map(|row| (row[0].clone(), named(row)))
        .collect()
}

/// Whether every row of a page's table stands in a source, cell by cell.
fn same_as(table: &Table, path: &str, header: &str) {
    let source = rows_of(path, header);
    for row in &table.rows {
        let own = source.get(&row[0]);
        let own = own.unwrap_or_else(|| panic!("{path} has no row {:?}", row[0]));
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, cell) in table.header.iter().zip(row) {
            let times = seen.entry(name).or_default();
            let key = format!("{name}{}", "'".repeat(*times));
            *times += 1;
            let found = own.get(&key);
            let found = found.unwrap_or_else(|| panic!("{path} has no column {name:?}"));
            assert_eq!(cell, found, "{}: {name}, {path}", row[0]);
        }
    }
}

#[test]
fn the_tables_of_runs_are_those_of_their_reports() {
    let first = page_table("README.md", &["method", "trainable"]);
    same_as(&first, "results/trace-builtin/report.md", "trainable");
    let variants = page_table("docs/results.md", &["variant", "retained %"]);
    same_as(&variants, "results/splits/confirm/report.md", "retained %");
    let bounded = page_table("docs/results.md", &["variant", "outputs"]);
    same_as(
        &bounded,
        "results/general-knowledge/confirm/report.md",
        "retained %",
    );
    let orders = page_table("docs/results.md", &["method", "mean: AA"]);
    same_as(&orders, "results/t5-builtin/report.md", "mean: AA");
}

#[test]
fn the_tables_of_steps_are_those_of_their_reports() {
    for (first, folder) in [
        ("shape, tokens", "results/bench/epyc"),
        ("before, shape, tokens", "results/bench"),
    ] {
        table_of_steps(first, folder);
    }
}

/// The table whose first column is `first` has what the reports below `folder` have.
fn table_of_steps(first: &str, folder: &str) {
    let table = page_table("docs/performance.md", &[first, "step s"]);
    let columns = [
        ("setup s", "setup s"),
        ("step s", "step s"),
        ("tokens/s", "tokens/s"),
        ("× plain (quartiles)", "×plain"),
        ("counted", "counted"),
        ("memory MiB", "memory MiB"),
        ("× plain", "×plain'"),
    ];
    for row in &table.rows {
        let (shape, tokens) = row[0].split_once(", ").unwrap();
        let (shape, variant) = match shape {
            "135M LLaMA" => ("llama-m", row[1].as_str()),
            "T5-small" => ("t5-small", row[1].as_str()),
            other => panic!("{other}"),
        };
        let kind = match variant {
            v if v.ends_with("recomputed") => "-recomputed",
            v if v.ends_with("bf16 base") => "-bf16",
            _ => "",
        };
        let path = format!("{folder}/{shape}-{tokens}{kind}/report.md");
        let source = rows_of(&path, "memory MiB");
        let own = &source[variant];
        for (name, theirs) in columns {
            let place = table.header.iter().position(|cell| cell == name).unwrap();
            assert_eq!(
                row[place], own[theirs],
                "{shape} {tokens} {variant}: {name}, {path}"
            );
        }
    }
}

/// All files below a folder of the repository that are text.
fn texts(folder: &std::path::Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            found.push((path.display().to_string(), text));
        }
    }
}

#[test]
fn results_are_of_revisions_that_can_be_checked_out() {
    let mut found = Vec::new();
    texts(&repository().join("results"), &mut found);
    assert!(found.len() > 100, "{} files", found.len());
    for (path, text) in found {
        // The revision of a program with uncommitted changes is no revision.
        let dirty = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let mut dirty = dirty.filter(|word| word.len() == 46 && word.ends_with("-dirty"));
        assert_eq!(dirty.next(), None, "{path}");
    }
}

/// A number of the tests as the README writes it: `5e-6` is `5·10⁻⁶`.
fn written(constant: &str) -> String {
    let (digits, exponent) = constant.split_once("e-").unwrap();
    let raised: String = exponent
        .chars()
        .map(|digit| ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'][digit as usize - 48])
        .collect();
    match digits {
        "1" => format!("10⁻{raised}"),
        digits => format!("{digits}·10⁻{raised}"),
    }
}

/// The value of a constant in a file of tests.
fn constant(path: &str, name: &str) -> String {
    let text = read(path);
    let after = text.split(&format!("const {name}: ")).nth(1);
    let after = after.unwrap_or_else(|| panic!("{path} has no constant {name}"));
    let value = after.split("= ").nth(1).unwrap().split(';').next().unwrap();
    value.to_string()
}

#[test]
fn bounds_and_counts_are_those_of_the_tests() {
    let says = |page: &str, words: &str| {
        let text = read(page);
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(words), "{page} does not say {words:?}");
    };
    let exactness = "crates/osft/tests/exactness.rs";
    let leak = written(&constant(exactness, "LEAK_BOUND"));
    let steps = constant(exactness, "STEPS");
    let optimizers = ["AdamW", "SGD", "Muon"];
    for optimizer in optimizers {
        let test = format!("fn {}_does_not_leak", optimizer.to_lowercase());
        assert!(read(exactness).contains(&test), "{test}");
    }
    let tested = read(exactness).matches("_does_not_leak()").count();
    assert_eq!(tested, optimizers.len());
    let methods = "docs/methods.md";
    says(
        methods,
        &format!(
            "at most {leak} of the change after {steps} steps at a learning rate of 10⁻³, with AdamW, SGD and \
             Muon"
        ),
    );
    let linear = written(&constant("crates/osft/tests/linear.rs", "ROUNDING"));
    says(
        methods,
        &format!(
            "`Osft::linear`: result, gradients of the input and of the core | the layer's own; random shapes | {linear} relative"
        ),
    );
    let operations = written(&constant("crates/lm/src/ops/tests.rs", "ROUNDING"));
    says(
        methods,
        &format!("also for the layers behind them | {operations}"),
    );
    let pieces = written(&constant("crates/lm/tests/backpropagation.rs", "ROUNDING"));
    says(methods, &format!("the loss as a whole | {pieces}"));
    // Killed by signal at so many moments, and stopped in every pause by another test.
    let killed = read("tests/cli/resume.rs");
    let moments = killed.split("let moments: [&[u32]; 5] = [").nth(1).unwrap();
    let moments = moments.split("];").next().unwrap().matches([',', ']']);
    assert_eq!(moments.count() - 5, 20);
    let guide = "docs/guide.md";
    says(
        guide,
        "kill it at twenty moments and stop every method between any two steps",
    );
    assert!(
        read("crates/continual/tests/resume/mod.rs").contains("for pauses in [(1, 1), (2, 1), ")
    );
}
