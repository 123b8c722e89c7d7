//! Every command that is shown is accepted by the parser, and every flag that is named exists.

use std::collections::{BTreeMap, BTreeSet};

use clap::error::ErrorKind;
use integration_tests::repository;
use runs::Registries;

use super::pages::{code_and_text, pages, read};

/// The commands of a page's code blocks in words, as the shell makes them: lines that go on joined,
/// variables replaced by what is assigned to them above.
fn shown(page: &str) -> Vec<Vec<String>> {
    let (code, _) = code_and_text(&read(page));
    let mut commands: Vec<Vec<String>> = Vec::new();
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    let mut begun = String::new();
    for line in code {
        let line = line.trim();
        begun.push_str(line.trim_end_matches('\\'));
        begun.push(' ');
        let words = shlex::split(&begun).filter(|_| !line.ends_with('\\'));
        let Some(words) = words else {
            continue;
        };
        begun.clear();
        if let [assignment] = words.as_slice()
            && let Some((name, value)) = assignment.split_once('=')
        {
            variables.insert(name.to_string(), value.to_string());
            continue;
        }
        let replaced = words.into_iter().flat_map(|word| {
            let value = word.strip_prefix('$').and_then(|name| variables.get(name));
            value.map_or(vec![word.clone()], |value| shlex::split(value).unwrap())
        });
        commands.push(replaced.collect());
    }
    assert!(begun.trim().is_empty(), "{page}: {begun}");
    commands
}

/// Code between backticks in the text of a page.
fn inline(page: &str) -> Vec<String> {
    let (_, text) = code_and_text(&read(page));
    let text = text.join("\n");
    let parts = text.split('`').skip(1).step_by(2);
    let on_one_line = |code: &str| code.split_whitespace().collect::<Vec<_>>().join(" ");
    parts.map(on_one_line).collect()
}

/// Arguments of the program in a command, if it is one of the program.
fn arguments(words: &[String]) -> Option<&[String]> {
    let (first, rest) = words.split_first()?;
    match first.as_str() {
        "experiments" => Some(rest),
        "cargo" => {
            let mut pairs = rest.windows(2);
            let runs = pairs.any(|pair| pair == ["-p", "experiments"]);
            let place = rest.iter().position(|word| word == "--")?;
            runs.then(|| &rest[place + 1..])
        }
        _ => None,
    }
}

fn parse(arguments: &[String]) -> Result<(), clap::Error> {
    let command = experiments::command(&Registries::builtin());
    let program = ["experiments".to_string()];
    let parsed = command.try_get_matches_from(program.iter().chain(arguments));
    match parsed {
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(()),
        parsed => parsed.map(|_| ()),
    }
}

#[test]
fn shown_commands_are_accepted() {
    let mut accepted = 0;
    for page in pages() {
        for words in shown(&page) {
            let Some(arguments) = arguments(&words) else {
                continue;
            };
            if let Err(error) = parse(arguments) {
                panic!("{page}: {words:?}\n{error}");
            }
            accepted += 1;
        }
        for code in inline(&page) {
            if !code.starts_with("experiments ") {
                continue;
            }
            let words = shlex::split(&code).unwrap().into_iter().skip(1);
            let arguments: Vec<String> = words.filter(|word| word != "…").collect();
            match parse(&arguments) {
                Ok(()) => accepted += 1,
                // A command is named, not shown.
                Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => (),
                Err(error) if error.kind() == ErrorKind::MissingSubcommand => (),
                Err(error) => panic!("{page}: {code}\n{error}"),
            }
        }
    }
    assert!(accepted > 60, "{accepted}");
}

#[test]
fn named_flags_exist() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut commands = vec![experiments::command(&Registries::builtin())];
    while let Some(command) = commands.pop() {
        let flags = command.get_arguments().filter_map(|flag| flag.get_long());
        known.extend(flags.map(str::to_string));
        commands.extend(command.get_subcommands().cloned());
    }
    // Cargo's.
    known.extend(["features", "workspace", "release", "test", "help"].map(str::to_string));
    for page in pages() {
        for code in inline(&page) {
            let words = code.split_whitespace();
            for flag in words.filter_map(|word| word.strip_prefix("--")) {
                let flag = flag.split(['=', ',']).next().unwrap();
                assert!(flag.is_empty() || known.contains(flag), "{page}: --{flag}");
            }
        }
    }
}

#[test]
fn cargo_commands_name_what_exists() {
    let mut checked = 0;
    for page in pages() {
        for words in shown(&page) {
            if words.first().map(String::as_str) != Some("cargo") {
                continue;
            }
            for pair in words.windows(2) {
                let name = &pair[1];
                let found = match pair[0].as_str() {
                    "--example" => exists(&format!("examples/{name}.rs")),
                    "--test" if name == "NAME" => true,
                    "--test" => {
                        exists(&format!("tests/{name}.rs"))
                            || exists(&format!("tests/{name}/main.rs"))
                    }
                    _ => continue,
                };
                assert!(found, "{page}: {words:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 5, "{checked}");
}

/// Whether one of the packages has this file.
fn exists(path: &str) -> bool {
    let crates = std::fs::read_dir(repository().join("crates")).unwrap();
    let mut packages: Vec<_> = crates.map(|entry| entry.unwrap().path()).collect();
    packages.extend(["experiments", "tests"].map(|name| repository().join(name)));
    packages.iter().any(|package| package.join(path).is_file())
}
