//! Every method whose runs are interrupted, with settings that leave a state.

use burn::tensor::Device;
use continual::Method;
use continual::methods::{MultiTaskFt, OsftMethod, PerTaskFt, SeqFt};
use lm::Decoder;
use osft::{BasePrecision, Combine, Form, OsftConfig, Scaling, ShareRule, SplitSource};

use crate::common::*;

fn osft(source: SplitSource, form: Form, precision: BasePrecision) -> Box<dyn Method<Decoder>> {
    let config = OsftConfig::new()
        .with_base_precision(precision)
        .with_targets(["_proj\\.weight$"])
        .with_split(source)
        .with_share_rule(ShareRule::energy(0.8))
        .with_form(form);
    let data = calibration_data(&model(&Device::flex()));
    Box::new(OsftMethod::new(config).with_calibration(data))
}

/// A method by its name, with these settings over its defaults; some are common to several methods.
fn of_name(name: &'static str, common: &'static str, settings: &'static str) -> Make {
    Box::new(move || built(name, &format!("{common}{settings}")))
}

/// OSFT in the core form by the inputs, changed by `change`.
fn osft_with(change: fn(OsftConfig) -> OsftConfig) -> Make {
    Box::new(move || {
        let config = OsftConfig::new()
            .with_targets(["_proj\\.weight$"])
            .with_split(SplitSource::Inputs)
            .with_share_rule(ShareRule::energy(0.8));
        let data = calibration_data(&model(&Device::flex()));
        Box::new(OsftMethod::new(change(config)).with_calibration(data))
    })
}

pub(crate) type Make = Box<dyn Fn() -> Box<dyn Method<Decoder>>>;

/// A name and what makes the method.
pub(crate) fn methods() -> Vec<(&'static str, Make)> {
    use SplitSource::{Both, Inputs, InputsAndGradients, Weights};
    let of = |source, form, precision| -> Make { Box::new(move || osft(source, form, precision)) };
    let osft = |source, form| of(source, form, BasePrecision::Full);
    const ADAPTERS: &str = r"targets = ['(q|v)_proj\.weight$']
adapter_rank = 3
alpha = 6.0
";
    const GENERATED: &str = "rows = 5\ntokens = 6\nrows_per_step = 2";
    const TERM: &str = "term = { rows = 5, tokens = 6, rows_per_step = 2 }";
    const TARGETS: &str = r"targets = ['_proj\.weight$']
";
    // Small enough that it shortens what is learned.
    const BOUND: &str = "protected_share = { energy = 0.8 }\nmax_output_change = 0.01";
    const ALGORITHM: &str =
        "form = 'factored'\nprotected_share = { adaptive = { min = 0.1, max = 0.8 } }";
    vec![
        ("seqft", Box::new(|| Box::new(SeqFt))),
        ("per-task", Box::new(|| Box::new(PerTaskFt::new()))),
        ("multi-task", Box::new(|| Box::new(MultiTaskFt))),
        ("osft weights", osft(Weights, Form::Core)),
        ("osft inputs", osft(Inputs, Form::Core)),
        ("osft both", osft(Both, Form::Weight)),
        ("osft gradients", osft(InputsAndGradients, Form::Core)),
        ("osft factored", osft(Inputs, Form::FactoredReprojected)),
        ("osft bf16", of(Inputs, Form::Core, BasePrecision::Bf16)),
        (
            "osft ridge",
            osft_with(|config| config.with_scaling(Scaling::Ridge)),
        ),
        (
            "osft union",
            osft_with(|config| config.with_combine(Combine::Union)),
        ),
        (
            "osft moment",
            osft_with(|config| config.with_moment(every_moment())),
        ),
        ("osft bound", of_name("osft", TARGETS, BOUND)),
        // The paper's algorithm.
        ("osft-paper", of_name("osft-paper", TARGETS, ALGORITHM)),
        ("gpm", of_name("gpm", TARGETS, "")),
        (
            "gpm with base",
            of_name("gpm", TARGETS, "protect_base = true"),
        ),
        ("sgp", of_name("sgp", TARGETS, "")),
        ("adam-nscl", of_name("adam-nscl", TARGETS, "")),
        ("lora", of_name("lora", ADAPTERS, "")),
        ("lora-decay", of_name("lora-decay", ADAPTERS, "")),
        ("inc-lora", of_name("inc-lora", ADAPTERS, "")),
        ("o-lora", of_name("o-lora", ADAPTERS, "size = 0.1")),
        (
            "o-lora on b",
            of_name("o-lora", ADAPTERS, "orthogonality_on = 'b'"),
        ),
        ("milora", of_name("milora", ADAPTERS, "")),
        ("pissa", of_name("pissa", ADAPTERS, "")),
        ("seq-svd", of_name("seq-svd", ADAPTERS, "")),
        ("l2-sp", of_name("l2-sp", "", "strength = 0.3")),
        (
            "ewc",
            of_name("ewc", "", "strength = 20\ndecay = 0.5\nrows = 7"),
        ),
        ("ewc with base", of_name("ewc", "", "protect_base = true")),
        ("lwf", of_name("lwf", "", "strength = 0.7")),
        ("lwf-generated", of_name("lwf-generated", "", GENERATED)),
        (
            "osft-lwf",
            of_name("osft-lwf", "osft.targets = ['_proj\\.weight$']\n", TERM),
        ),
        ("replay", of_name("replay", "", "share = 0.3")),
        ("wise-ft", of_name("wise-ft", "", "")),
        ("slerp", of_name("slerp", "", "")),
        ("ties", of_name("ties", "", "")),
        ("dg-hard", of_name("dg-hard", "", "")),
    ]
}
