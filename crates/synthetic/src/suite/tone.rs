//! Task `tone`, modelled on FOMC: whether a central bank tends to easier or tighter money.
//!
//! The bank's earlier actions may contradict its current plan; only the plan counts.

use rand::RngExt;

use super::Row;
use super::words::{Random, capitalized, pick, pick_other};

/// The direction of the bank's interest rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Policy {
    Easier,
    Tighter,
    Same,
}

/// The policies in the order of their labels A, B, C.
pub(super) const POLICIES: [Policy; 3] = [Policy::Easier, Policy::Tighter, Policy::Same];

const ACTORS: [&str; 6] = [
    "the central bank",
    "the board",
    "the governor",
    "the committee",
    "the policy group",
    "the bank",
];

const NOW: [&str; 5] = ["now", "today", "this week", "this month", "this time"];

const BEFORE: [&str; 5] = [
    "last year",
    "last month",
    "last spring",
    "a year ago",
    "in the past",
];

const PLANS: [&str; 5] = [
    "plans to",
    "wants to",
    "is ready to",
    "intends to",
    "expects to",
];

/// Sentences that fit every policy.
const ASIDES: [&str; 5] = [
    "The meeting was short.",
    "The report came out on Friday.",
    "The vote was close.",
    "Most banks had expected this.",
    "The next meeting is in June.",
];

fn actions(policy: Policy) -> [&'static str; 8] {
    match policy {
        Policy::Easier => [
            "cut rates",
            "lower the interest rate",
            "ease credit",
            "support weak demand",
            "make loans cheaper",
            "help slow growth",
            "put more money into the economy",
            "loosen policy",
        ],
        Policy::Tighter => [
            "raise rates",
            "lift the interest rate",
            "tighten credit",
            "cool strong demand",
            "make loans more expensive",
            "fight high inflation",
            "take money out of the economy",
            "toughen policy",
        ],
        Policy::Same => [
            "keep rates unchanged",
            "hold the interest rate",
            "wait for more data",
            "leave credit as it is",
            "watch the economy",
            "make no change",
            "stay on its path",
            "pause policy",
        ],
    }
}

fn reasons(policy: Policy) -> [&'static str; 5] {
    match policy {
        Policy::Easier => [
            "growth is too weak",
            "inflation is too low",
            "many people lost their jobs",
            "demand is falling",
            "prices are falling",
        ],
        Policy::Tighter => [
            "growth is too hot",
            "inflation is too high",
            "wages rise too fast",
            "demand is rising",
            "prices are rising",
        ],
        Policy::Same => [
            "growth is as expected",
            "inflation is on target",
            "the outlook is not clear",
            "demand is stable",
            "prices are stable",
        ],
    }
}

/// Draws a short statement that takes this policy now.
pub(super) fn statement(random: &mut Random, policy: Policy) -> String {
    let actor = pick(random, &ACTORS);
    let now = pick(random, &NOW);
    let plan = format!(
        "{now} {actor} {} {}",
        pick(random, &PLANS),
        pick(random, &actions(policy))
    );
    let reason = pick(random, &reasons(policy));
    let earlier = pick_other(random, &POLICIES, policy);
    let past = format!(
        "{} {} wanted to {}",
        pick(random, &BEFORE),
        pick_other(random, &ACTORS, actor),
        pick(random, &actions(earlier))
    );
    let aside = pick(random, &ASIDES);
    match random.random_range(0..6) {
        0 => format!("{}. {aside}", capitalized(&plan)),
        1 => format!("{aside} {}.", capitalized(&plan)),
        2 => format!("{} because {reason}.", capitalized(&plan)),
        3 => format!("{}, but {plan}.", capitalized(&past)),
        4 => format!("{}, although {past}.", capitalized(&plan)),
        _ => format!("{} {actor} says that {reason}. {aside}", capitalized(now)),
    }
}

/// Draws a row; its label follows from the index.
pub(super) fn row(random: &mut Random, index: usize) -> Row {
    let label = index % POLICIES.len();
    let text = statement(random, POLICIES[label]);
    Row {
        prompt: format!("Tone of the bank: A dovish, B hawkish, C neutral.\nText: {text}\nTone:"),
        answer: ["A", "B", "C"][label].to_string(),
    }
}
