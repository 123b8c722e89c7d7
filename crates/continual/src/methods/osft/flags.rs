//! Command-line flags that are short for settings of `osft`.

use ::osft::{NO_BOUND, ShareRule, ShareRules};
use toml::Value;

use crate::method::Flag;

pub(super) fn flags(rules: &ShareRules) -> Vec<Flag> {
    let rules = rules.clone();
    let share_help = rules.typed_help();
    vec![
        Flag::choice(
            "osft-split",
            "SOURCE",
            "split",
            "Where the protected directions come from [default: that of the settings, `inputs`]",
            vec![
                (
                    "weights",
                    "Top singular directions of the weights: the paper's split",
                ),
                (
                    "inputs",
                    "Directions that hold the energy of the layers' inputs",
                ),
                (
                    "both",
                    "Top singular directions of the weights as the inputs see them",
                ),
                (
                    "inputs_and_gradients",
                    "Directions that hold the energy of the layers' inputs, and of the gradients of their outputs",
                ),
            ],
        ),
        Flag::choice(
            "osft-form",
            "FORM",
            "form",
            "How the weights are kept inside the free directions [default: core]",
            vec![
                (
                    "core",
                    "The optimizer runs in the coordinates of the free directions; rounding alone leaks",
                ),
                (
                    "weight",
                    "The paper's equation 4: only changes from protected inputs to protected outputs are \
                     removed",
                ),
                (
                    "factored",
                    "The paper's algorithm: trained factors whose gradients are projected, as in PEFT",
                ),
                (
                    "factored-reprojected",
                    "As factored, and the factors are projected after every step, as in mini_trainer",
                ),
            ],
        ),
        Flag::choice(
            "osft-scaling",
            "SCALING",
            "scaling",
            "How strongly the directions of the inputs are held back [default: hard]",
            vec![
                (
                    "hard",
                    "The protected directions entirely, the others not at all",
                ),
                (
                    "ridge",
                    "Each by its energy, 1 / (1 + mu * energy), in the mean as much as the share says",
                ),
                (
                    "scaled",
                    "The protected directions by their importance, as in Scaled Gradient Projection",
                ),
            ],
        ),
        Flag::choice(
            "osft-combine",
            "SOURCES",
            "combine",
            "How the inputs of base and tasks are combined [default: mean]",
            vec![
                ("mean", "The directions come from the mean over all of them"),
                (
                    "union",
                    "A direction is protected if any of them needs it, as in Gradient Projection Memory",
                ),
            ],
        ),
        Flag::new(
            "osft-skip-first",
            "TOKENS",
            "moment.skip_first",
            "Leave the first tokens of every row out of the inputs' moment, and protect the directions of their \
             means [default: that of the settings]",
            |text| match text.parse::<u32>() {
                Ok(tokens) => Ok(Value::from(i64::from(tokens))),
                Err(_) => Err(format!("expected a number of tokens, found {text:?}")),
            },
        ),
        Flag::choice(
            "osft-tokens",
            "LENGTH",
            "moment.tokens",
            "The length that the input of every token is given before it is summed [default: that of the settings]",
            vec![
                ("own", "As it is: long inputs count more"),
                ("unit", "One: every token counts the same"),
                (
                    "mean",
                    "The mean length of the source's tokens: every token of a source counts the same",
                ),
            ],
        ),
        Flag::new(
            "osft-shrinkage",
            "WEIGHT",
            "moment.shrinkage",
            "Move the eigenvalues of the inputs' moment towards their mean before the share is chosen: \
             `ledoit-wolf`, or a weight from 0 to 1 [default: none]",
            |text| match text.replace('-', "_").as_str() {
                name @ ("none" | "ledoit_wolf") => Ok(Value::from(name)),
                _ => text.parse::<f64>().map(Value::from).map_err(|_| {
                    format!(
                        "expected `none`, `ledoit-wolf` or a weight from 0 to 1, found {text:?}"
                    )
                }),
            },
        ),
        Flag::new(
            "osft-max-output-change",
            "SHARE",
            "max_output_change",
            "Largest change of every layer's outputs per task, relative to their size over the calibrated inputs: a step \
             that goes further is shortened; `none` for no bound [default: that of the settings]",
            |text| match text {
                NO_BOUND => Ok(Value::from(text)),
                _ => text.parse::<f64>().map(Value::from).map_err(|_| {
                    format!("expected a number above 0, or `none` for no bound, found {text:?}")
                }),
            },
        ),
        Flag::new(
            "share",
            "SHARE",
            "protected_share",
            format!("Share of the directions that is protected: {share_help}"),
            move |text| {
                let rule = rules.parse(text).map_err(|error| error.to_string())?;
                Value::try_from(rule).map_err(|error| error.to_string())
            },
        ),
        Flag::new(
            "energy",
            "ENERGY",
            "protected_share",
            "Protect as few directions as hold this share, from 0 to 1, of the energy",
            |text| {
                let energy = text
                    .parse()
                    .map_err(|_| format!("expected a number from 0 to 1, found {text:?}"))?;
                Value::try_from(ShareRule::energy(energy)).map_err(|error| error.to_string())
            },
        ),
        Flag::choice(
            "base-precision",
            "PRECISION",
            "base_precision",
            "Precision in which the weights are held while they train [default: full]",
            vec![
                ("full", "That of the model, f32"),
                (
                    "bf16",
                    "bf16: half of the memory; what trains stays f32. Backends without bf16 refuse",
                ),
            ],
        ),
    ]
}
