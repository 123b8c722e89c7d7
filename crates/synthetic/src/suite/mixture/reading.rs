//! Short texts and facts to read from them: views, a bank's policy, minutes, who did what.

use rand::{RngExt, seq::SliceRandom};

use super::Document;
use crate::suite::stance::{self, VIEWS, View};
use crate::suite::summary::Decision;
use crate::suite::tone::{self, POLICIES, Policy};
use crate::suite::words::{
    CONTAINERS, DAYS, ITEMS, NAMES, PLACES, Random, capitalized, chance, pick, pick_other, pick_two,
};

fn two_views(random: &mut Random) -> stance::Opinion {
    let one = pick(random, &VIEWS);
    let views = [one, pick_other(random, &VIEWS, one)];
    stance::opinion(random, views)
}

/// An opinion in prose.
pub(super) fn opinion(random: &mut Random) -> Document {
    Document::prose(two_views(random).text)
}

/// The views of an opinion on each of its topics, as words.
pub(super) fn views(random: &mut Random) -> Document {
    let word = |view| match view {
        View::Favor => "good",
        View::Against => "bad",
        View::Neutral => "plain",
    };
    if chance(random, 30) {
        let view = pick(random, &VIEWS);
        let topic = format!("the {}", pick(random, &PLACES));
        let speaker = pick(random, &stance::SPEAKERS);
        let text = capitalized(&stance::clause(random, view, speaker, &topic));
        return Document::asked(
            format!("One view: {text}.\nTopic: {topic}\nView:"),
            word(view),
        );
    }
    let stance::Opinion {
        text,
        targets,
        views,
    } = two_views(random);
    let mut turns: Vec<_> = targets
        .iter()
        .zip(views)
        .map(|(topic, view)| (format!("Topic: {topic}\nView:"), word(view).to_string()))
        .collect();
    turns.shuffle(random);
    Document::series(&format!("Two views: {text}"), &turns)
}

/// A central bank's statement in prose.
pub(super) fn bank(random: &mut Random) -> Document {
    let policy = pick(random, &POLICIES);
    Document::prose(tone::statement(random, policy))
}

/// The policy in a bank's statement, as a word.
pub(super) fn policy(random: &mut Random) -> Document {
    let policy = pick(random, &POLICIES);
    let text = tone::statement(random, policy);
    let word = match policy {
        Policy::Easier => "easier",
        Policy::Tighter => "tighter",
        Policy::Same => "same",
    };
    Document::asked(format!("Bank news: {text}\nMoney gets:"), word)
}

/// A council transcript, and who moved the motion.
pub(super) fn council(random: &mut Random) -> Document {
    let decision = Decision::draw(random);
    let transcript = decision.transcript(random);
    Document::prose(format!(
        "Council\n{transcript}\n{} moved it.",
        decision.mover
    ))
}

/// A council transcript and three of its facts, one word each.
pub(super) fn notes(random: &mut Random) -> Document {
    let decision = Decision::draw(random);
    let transcript = decision.transcript(random);
    let (quality, place) = decision.topic;
    let votes = format!("{}-{}", decision.votes_for, decision.votes_against);
    let mut turns = [
        ("Mover:", decision.mover),
        ("Action:", decision.action),
        ("Place:", place),
        ("Which:", quality),
        ("Result:", decision.result()),
        ("Votes:", &votes),
    ]
    .map(|(cue, answer)| (cue.to_string(), answer.to_string()));
    turns.shuffle(random);
    Document::series(&format!("Notes of the council\n{transcript}"), &turns[..3])
}

/// Two people, each with a thing, a place and a day, and two questions about them.
pub(super) fn scene(random: &mut Random) -> Document {
    let names = pick_two(random, &NAMES);
    let items = pick_two(random, &ITEMS);
    let containers = pick_two(random, &CONTAINERS);
    let days = pick_two(random, &DAYS);
    let one = (names.0, items.0, containers.0.0, days.0);
    let other = (names.1, items.1, containers.1.0, days.1);
    let told: Vec<_> = [one, other]
        .iter()
        .map(|(name, item, container, day)| {
            if chance(random, 50) {
                format!("{name} put the {item} in the {container} on {day}.")
            } else {
                format!("On {day} {name} put the {item} in the {container}.")
            }
        })
        .collect();
    let turns: Vec<_> = (0..2)
        .map(|_| {
            let (name, item, container, day) = pick(random, &[one, other]);
            match random.random_range(0..4) {
                0 => (format!("Who put in the {item}?"), name),
                1 => (format!("What is in the {container}?"), item),
                2 => (format!("Where are the {item}?"), container),
                _ => (format!("When did {name} do it?"), day),
            }
        })
        .map(|(question, answer)| (format!("{question}\nAnswer:"), answer.to_string()))
        .collect();
    Document::series(&format!("Scene: {}", told.join(" ")), &turns)
}
