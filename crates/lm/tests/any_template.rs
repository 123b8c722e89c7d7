//! Whatever a chat template says, it is compiled or refused, and rendered or refused: never a panic, and always to an end.

use std::path::Path;

use chrono::NaiveDate;
use lm::chat::{ChatTemplate, Conversation};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;

/// The seed of the cases; another one by the variable `FUZZ_SEED`, for longer searches.
fn seed() -> u64 {
    let given = std::env::var("FUZZ_SEED").ok();
    given.and_then(|seed| seed.parse().ok()).unwrap_or(19)
}

/// Parts of templates, joined at random.
const PARTS: [&str; 34] = [
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{%- ",
    " -%}",
    "{# ",
    " #}",
    "for m in messages",
    "endfor",
    "if ",
    "else",
    "endif",
    "generation",
    "endgeneration",
    "macro f(x)",
    "endmacro",
    "set ns = namespace(a=1)",
    "m.content",
    "m['role']",
    "messages[::-1]",
    " | tojson",
    " | trim",
    ".strip()",
    "raise_exception('no')",
    "strftime_now('%d %Q')",
    "f(f)",
    "range(99999)",
    " ~ ",
    "'a' * 99999",
    "loop.index0",
    "break",
    "\n",
    "é木🌳",
];

#[test]
fn random_templates_are_refused_or_rendered() {
    let conversation =
        json!([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]);
    let conversation = Conversation::new(&conversation, None).unwrap();
    let day = NaiveDate::from_ymd_opt(2026, 11, 27).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(seed());
    let (mut compiled, mut rendered) = (0, 0);
    for _ in 0..20_000 {
        let parts = rng.random_range(1..14);
        let source: String = (0..parts)
            .map(|_| PARTS[rng.random_range(0..PARTS.len())])
            .collect();
        let template = ChatTemplate::new(&source, Path::new("t"), Default::default(), day);
        let Ok(template) = template else {
            continue;
        };
        compiled += 1;
        rendered += usize::from(template.render(&conversation, true).is_ok());
    }
    assert!(compiled > 1000 && rendered > 500, "{compiled} {rendered}");
}
