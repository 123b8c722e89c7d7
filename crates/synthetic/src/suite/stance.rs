//! Task `stance`, modelled on C-STANCE: the view of a text on one of its two targets.
//!
//! Two clauses are about different targets; the clause about the other target is neutral. In an
//! earlier form, the other clause had a view of its own. Then the label follows only if the model
//! connects the target with its clause, which a model of a million parameters does not learn from
//! 400 rows.

use super::Row;
use super::words::{DAYS, MONTHS, PLACES, Random, capitalized, pick, pick_two};

/// What a clause thinks of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum View {
    Favor,
    Against,
    Neutral,
}

/// The views in the order of their labels A, B, C.
pub(super) const VIEWS: [View; 3] = [View::Favor, View::Against, View::Neutral];

/// People who take a view.
pub(super) const SPEAKERS: [&str; 18] = [
    "Ana",
    "Ben",
    "Carl",
    "Dina",
    "Eva",
    "Finn",
    "Gina",
    "Hugo",
    "Ines",
    "Jack",
    "Kim",
    "Leo",
    "my sister",
    "my neighbor",
    "our teacher",
    "the doctor",
    "the mayor",
    "my friend",
];

/// Clauses with their speaker `{w}` and target `{t}`.
const FAVOR: [&str; 9] = [
    "{w} loves {t}",
    "{w} is glad about {t}",
    "{w} praised {t}",
    "{w} wants to keep {t}",
    "{w} supports {t}",
    "{w} is proud of {t}",
    "{t} is wonderful",
    "{t} helps everyone",
    "{t} makes life better",
];

const AGAINST: [&str; 9] = [
    "{w} hates {t}",
    "{w} is angry about {t}",
    "{w} blamed {t}",
    "{w} wants to close {t}",
    "{w} rejects {t}",
    "{w} is tired of {t}",
    "{t} is awful",
    "{t} hurts everyone",
    "{t} makes life worse",
];

const NEUTRAL: [&str; 9] = [
    "{w} saw {t}",
    "{w} asked about {t}",
    "{w} walked past {t}",
    "{w} wrote about {t}",
    "{w} took a picture of {t}",
    "{w} lives near {t}",
    "{t} is near the river",
    "{t} opens on {day}",
    "{t} was built in {month}",
];

/// A text with two targets and its views on them.
pub(super) struct Opinion {
    pub(super) text: String,
    pub(super) targets: [String; 2],
    pub(super) views: [View; 2],
}

/// A clause that takes the view of the target, without its full stop.
pub(super) fn clause(random: &mut Random, view: View, speaker: &str, target: &str) -> String {
    let patterns = match view {
        View::Favor => &FAVOR,
        View::Against => &AGAINST,
        View::Neutral => &NEUTRAL,
    };
    pick(random, patterns)
        .replace("{w}", speaker)
        .replace("{t}", target)
        .replace("{day}", pick(random, &DAYS))
        .replace("{month}", pick(random, &MONTHS))
}

/// Draws two clauses on different targets with different views.
pub(super) fn opinion(random: &mut Random, views: [View; 2]) -> Opinion {
    let (one, other) = pick_two(random, &PLACES);
    let targets = [format!("the {one}"), format!("the {other}")];
    let speakers = pick_two(random, &SPEAKERS);
    let first = capitalized(&clause(random, views[0], speakers.0, &targets[0]));
    let second = clause(random, views[1], speakers.1, &targets[1]);
    let text = match pick(random, &[", but ", ", while ", ", and ", ". "]) {
        ". " => format!("{first}. {}.", capitalized(&second)),
        link => format!("{first}{link}{second}."),
    };
    Opinion {
        text,
        targets,
        views,
    }
}

/// Draws a row; the requested view follows from the index.
pub(super) fn row(random: &mut Random, index: usize) -> Row {
    let label = index % VIEWS.len();
    let view = VIEWS[label];
    let asked = pick(random, &[0, 1]);
    let mut views = [View::Neutral; 2];
    views[asked] = view;
    let Opinion { text, targets, .. } = opinion(random, views);
    Row {
        prompt: format!(
            "Stance on the target: A favor, B against, C neutral.\nText: {text}\nTarget: {}\nStance:",
            targets[asked]
        ),
        answer: ["A", "B", "C"][label].to_string(),
    }
}
