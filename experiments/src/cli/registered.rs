//! Arguments whose values are what the registries hold.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, ArgMatches, Args, Command};
use continual::method::{Flag, OptimizerName};
use continual::methods::OSFT;
use runs::Registries;
use runs::settings::merge;
use toml::{Table, Value};

use super::SequenceArgs;

/// The command line with a command for every benchmark, and with the methods, presets and variants there are.
pub fn completed(command: Command, registries: &Registries) -> Command {
    let mut command = command;
    for (place, benchmark) in registries.benchmarks.iter().enumerate() {
        // What the arguments are comes first, since it brings a description of its own.
        let own = SequenceArgs::augment_args(Command::new(benchmark.command()))
            .about(benchmark.help())
            .long_about(None)
            .display_order(place);
        let examples: Vec<String> = benchmark
            .examples()
            .iter()
            .map(|example| format!("  {example}"))
            .collect();
        command = command.subcommand(match examples.is_empty() {
            true => own,
            false => own.after_help(format!("Examples:\n{}", examples.join("\n"))),
        });
    }
    let benchmarks = registries.benchmarks.iter().count();
    let mut place = benchmarks;
    command.mut_subcommands(|own| {
        let own = with_choices(own, registries);
        if registries.benchmarks.find(own.get_name()).is_some() {
            return own;
        }
        place += 1;
        own.display_order(place)
    })
}

/// A command with the values that its arguments may have.
fn with_choices(command: Command, registries: &Registries) -> Command {
    let has = |command: &Command, id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    let name = command.get_name().to_string();
    let mut command = command;
    if has(&command, "method") {
        let methods = registries.methods.iter();
        let methods = methods.map(|kind| value(kind.name(), kind.help()));
        command = choices(command, "method", methods.collect());
    }
    if has(&command, "optimizer") {
        let names = OptimizerName::ALL.map(|(_, name, help)| value(name, help));
        command = choices(command, "optimizer", names.to_vec());
    }
    if has(&command, "preset") {
        let benchmarks = registries.benchmarks.iter();
        let presets = benchmarks.flat_map(|benchmark| benchmark.presets());
        let presets = presets.map(|preset| value(preset.name, preset.help));
        command = choices(command, "preset", presets.collect());
    }
    if has(&command, "benchmark") {
        let benchmarks = registries.benchmarks.iter();
        let names = benchmarks.map(|benchmark| value(benchmark.command(), benchmark.help()));
        command = choices(command, "benchmark", names.collect());
    }
    if has(&command, "variant") {
        let variants = measure::bench::variants(registries).into_iter();
        let names = variants.map(|variant| value(&variant.name, &variant.help));
        command = choices(command, "variant", names.collect());
    }
    if name == "compare" {
        let help = "Methods to compare, separated by commas [default: all]";
        command = command.mut_arg("method", |arg| arg.help(help));
    }
    if has(&command, "method") || name == "inspect" {
        // An inspection splits, and nothing else.
        let is_read = |method: &str| name != "inspect" || method == OSFT;
        for (method, flag) in flags(registries) {
            if !is_read(&method) {
                continue;
            }
            let heading = format!("Settings of {method}");
            command = command.arg(argument(&method, &flag, registries).help_heading(heading));
        }
    }
    command
}

fn value(name: &str, help: &str) -> PossibleValue {
    PossibleValue::new(name.to_string()).help(help.to_string())
}

fn choices(command: Command, id: &'static str, values: Vec<PossibleValue>) -> Command {
    command.mut_arg(id, |arg| {
        arg.value_parser(PossibleValuesParser::new(values))
    })
}

/// The flags of all methods, with the methods they belong to.
fn flags(registries: &Registries) -> Vec<(String, Flag)> {
    let kinds = registries.methods.iter();
    kinds
        .flat_map(|kind| {
            let name = kind.name().to_string();
            kind.flags()
                .into_iter()
                .map(move |flag| (name.clone(), flag))
        })
        .collect()
}

fn argument(method: &str, flag: &Flag, registries: &Registries) -> Arg {
    let argument = Arg::new(flag.name)
        .long(flag.name)
        .allow_negative_numbers(true)
        .value_name(flag.value_name)
        .help(flag.help.clone());
    // Two flags for one setting would leave open which one counts.
    let of_method = flags(registries).into_iter().filter(|(of, _)| of == method);
    let rivals = of_method.map(|(_, other)| other);
    let rivals = rivals.filter(|other| other.setting == flag.setting && other.name != flag.name);
    let argument = argument.conflicts_with_all(rivals.map(|other| other.name));
    let read = flag.clone();
    match flag.choices.is_empty() {
        true => argument.value_parser(move |text: &str| read.read(text)),
        false => {
            let values = flag.choices.iter().map(|(name, help)| value(name, help));
            let parser = PossibleValuesParser::new(values);
            argument.value_parser(parser.try_map(move |text| read.read(&text).map_err(Wrong)))
        }
    }
}

/// Why the value of a flag is wrong.
#[derive(Debug)]
struct Wrong(String);

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Wrong {}

/// The flags of methods that were typed, with the methods they belong to.
pub fn typed_flags(registries: &Registries, matches: &ArgMatches) -> Vec<(String, &'static str)> {
    let typed = |name: &str| matches!(matches.try_get_one::<Value>(name), Ok(Some(_)));
    let flags = flags(registries).into_iter();
    flags
        .filter(|(_, flag)| typed(flag.name))
        .map(|(method, flag)| (method, flag.name))
        .collect()
}

/// What was typed as flags of methods: a table of settings for every method.
pub fn method_flags(registries: &Registries, matches: &ArgMatches) -> Table {
    let mut methods = Table::new();
    for (method, flag) in flags(registries) {
        let Ok(Some(value)) = matches.try_get_one::<Value>(flag.name) else {
            continue;
        };
        let own = methods
            .entry(method)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(own) = own {
            // A setting of a table inside is named with a dot.
            let names = flag.setting.rsplit('.');
            let nested = names.fold(value.clone(), |value, name| {
                Value::Table(Table::from_iter([(name.to_string(), value)]))
            });
            if let Value::Table(nested) = nested {
                merge(own, nested);
            }
        }
    }
    methods
}
