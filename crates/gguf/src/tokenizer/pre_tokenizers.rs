//! How a text is divided before merges: the rules that llama.cpp knows by name.

use serde_json::{Value as Json, json};

use super::Vocabulary;
use crate::error::GgufError;

const KEY: &str = "tokenizer.ggml.pre";

/// Words, numbers of up to three digits, punctuation, white space.
const LLAMA3: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// As Llama 3's, but every digit is one part.
const QWEN2: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// Words end where upper case follows lower case; every digit is one part.
const TEKKEN: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*",
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
/// As Tekken's, with English endings, and numbers of up to three digits.
const GPT_4O: &str = concat!(
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
    r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// How a text is divided.
enum Division {
    /// GPT-2's rule, which the library has.
    Gpt2,
    /// Every digit is one part, then GPT-2's rule.
    Digits,
    /// A rule of its own.
    Expression(&'static str),
}

/// A rule with its names.
struct Rule {
    names: &'static [&'static str],
    division: Division,
    /// Whether the text is brought to the composed form NFC first.
    composes: bool,
    /// Whether a part that is a token becomes this token, even if no merges lead to it.
    ignores_merges: bool,
    /// Whether llama.cpp adds a begin-of-text token unless the file says otherwise.
    adds_begin: bool,
}

const RULES: [Rule; 8] = [
    Rule {
        names: &["gpt-2", "phi-2", "olmo"],
        ..Rule::of(Division::Gpt2)
    },
    Rule {
        names: &["smollm", "starcoder", "refact"],
        ..Rule::of(Division::Digits)
    },
    Rule {
        names: &["llama-bpe", "llama3", "llama-v3"],
        ignores_merges: true,
        adds_begin: true,
        ..Rule::of(Division::Expression(LLAMA3))
    },
    // The converter tells vocabularies apart by the tokens of one text: this is Llama 3's without a begin-of-text token.
    Rule {
        names: &["smaug-bpe"],
        ignores_merges: true,
        ..Rule::of(Division::Expression(LLAMA3))
    },
    Rule {
        names: &["dbrx"],
        ..Rule::of(Division::Expression(LLAMA3))
    },
    Rule {
        names: &["qwen2"],
        composes: true,
        ..Rule::of(Division::Expression(QWEN2))
    },
    Rule {
        names: &["tekken"],
        ignores_merges: true,
        adds_begin: true,
        ..Rule::of(Division::Expression(TEKKEN))
    },
    Rule {
        names: &["gpt-4o"],
        ..Rule::of(Division::Expression(GPT_4O))
    },
];

impl Rule {
    const fn of(division: Division) -> Self {
        Self {
            names: &[],
            division,
            composes: false,
            ignores_merges: false,
            adds_begin: false,
        }
    }
}

/// A rule as `tokenizer.json` says it.
pub(super) struct PreTokenizer {
    pub normalizer: Json,
    pub json: Json,
    pub ignores_merges: bool,
    pub adds_begin: bool,
}

/// The rule that a file names.
pub(super) fn named(vocabulary: &Vocabulary<'_>) -> Result<PreTokenizer, GgufError> {
    let name = vocabulary.text(KEY)?.unwrap_or("none");
    let Some(rule) = RULES.iter().find(|rule| rule.names.contains(&name)) else {
        let names: Vec<&str> = RULES.iter().flat_map(|rule| rule.names).copied().collect();
        let path = vocabulary.file.path();
        return Err(GgufError::unsupported(path, KEY, name, &names.join(", ")));
    };
    let bytes = |use_regex: bool| {
        json!({
            "type": "ByteLevel",
            "add_prefix_space": false,
            "trim_offsets": true,
            "use_regex": use_regex,
        })
    };
    let steps = match rule.division {
        Division::Gpt2 => vec![bytes(true)],
        Division::Digits => vec![
            json!({"type": "Digits", "individual_digits": true}),
            bytes(true),
        ],
        Division::Expression(expression) => vec![
            json!({
                "type": "Split",
                "pattern": {"Regex": expression},
                "behavior": "Isolated",
                "invert": false,
            }),
            bytes(false),
        ],
    };
    Ok(PreTokenizer {
        normalizer: match rule.composes {
            true => json!({"type": "NFC"}),
            false => Json::Null,
        },
        json: json!({"type": "Sequence", "pretokenizers": steps}),
        ignores_merges: rule.ignores_merges,
        adds_begin: rule.adds_begin,
    })
}
