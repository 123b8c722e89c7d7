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

/// The parsers of both programs, by name.
fn programs() -> [(&'static str, clap::Command); 2] {
    [
        ("experiments", experiments::command(&Registries::builtin())),
        ("osft", cli::command()),
    ]
}

/// Name and arguments of a program in a command, if it is one of ours.
fn arguments(words: &[String]) -> Option<(&str, &[String])> {
    let (first, rest) = words.split_first()?;
    match first.as_str() {
        program @ ("experiments" | "osft") => Some((program, rest)),
        "cargo" => {
            let mut pairs = rest.windows(2);
            let package = pairs.find(|pair| pair[0] == "-p")?[1].as_str();
            let program = match package {
                "experiments" => package,
                "cli" => "osft",
                _ => return None,
            };
            let place = rest.iter().position(|word| word == "--")?;
            Some((program, &rest[place + 1..]))
        }
        _ => None,
    }
}

fn parse(program: &str, arguments: &[String]) -> Result<(), clap::Error> {
    let mut programs = programs().into_iter();
    let command = programs.find(|(name, _)| *name == program).unwrap().1;
    let program = [program.to_string()];
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
            let Some((program, arguments)) = arguments(&words) else {
                continue;
            };
            if let Err(error) = parse(program, arguments) {
                panic!("{page}: {words:?}\n{error}");
            }
            accepted += 1;
        }
        for code in inline(&page) {
            if !code.starts_with("experiments ") && !code.starts_with("osft ") {
                continue;
            }
            let words = shlex::split(&code).unwrap();
            // The names of the method's variants begin with its name too.
            if code.starts_with("osft ") && cli::command().find_subcommand(&words[1]).is_none() {
                continue;
            }
            let arguments = words.iter().skip(1).filter(|word| *word != "…");
            let arguments: Vec<String> = arguments.cloned().collect();
            match parse(&words[0], &arguments) {
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
fn settings_of_shown_runs_go_together() {
    let registries = Registries::builtin();
    let (mut resolved, mut wrong) = (0, Vec::new());
    for page in pages() {
        let inline = inline(&page).into_iter();
        let inline = inline.filter(|code| code.starts_with("experiments "));
        let inline = inline.filter_map(|code| shlex::split(&code));
        for words in shown(&page).into_iter().chain(inline) {
            let Some(("experiments", arguments)) = arguments(&words) else {
                continue;
            };
            // Settings in a file that only the reader has, and commands that are named and not shown.
            if arguments
                .iter()
                .any(|word| word == "--config" || word == "…")
            {
                continue;
            }
            let name = ["experiments".to_string()];
            let all = name.iter().chain(arguments).map(Into::into);
            match experiments::settings_of(&registries, all) {
                Ok(settings) => resolved += usize::from(settings.is_some()),
                Err(error) if error.is::<clap::Error>() => (),
                Err(error) => wrong.push(format!("{page}: {words:?}\n{error:#}")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(resolved > 40, "{resolved}");
}

#[test]
fn named_flags_exist() {
    let mut known: BTreeSet<String> = BTreeSet::new();
    let mut commands: Vec<clap::Command> = programs().map(|(_, command)| command).into();
    while let Some(command) = commands.pop() {
        let flags = command.get_arguments().filter_map(|flag| flag.get_long());
        known.extend(flags.map(str::to_string));
        commands.extend(command.get_subcommands().cloned());
    }
    // Cargo's, and those of the programs that it makes of tests.
    let of_cargo = [
        "features",
        "workspace",
        "release",
        "test",
        "help",
        "nocapture",
    ];
    known.extend(of_cargo.map(str::to_string));
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
