//! Task `summary`, modelled on MeetingBank: summarize a council transcript of three turns in one
//! line.

use rand::RngExt;

use super::Row;
use super::words::{PLACES, Random, pick, pick_two};

const MEMBERS: [&str; 12] = [
    "Adams", "Clark", "Davis", "Evans", "Ford", "Hayes", "Jones", "Lopez", "Moore", "Reed",
    "Walsh", "Turner",
];

const ACTIONS: [&str; 8] = [
    "approve", "delay", "repair", "fund", "study", "close", "paint", "expand",
];

const QUALITIES: [&str; 8] = [
    "new", "old", "public", "northern", "southern", "small", "main", "central",
];

/// The decision on one item of the agenda.
pub(super) struct Decision {
    /// The member who chairs the meeting or supports the motion.
    pub(super) other: &'static str,
    pub(super) mover: &'static str,
    pub(super) action: &'static str,
    /// The topic of the motion: a thing and a place.
    pub(super) topic: (&'static str, &'static str),
    pub(super) votes_for: u32,
    pub(super) votes_against: u32,
}

impl Decision {
    /// Draws a decision between two members, without ties.
    pub(super) fn draw(random: &mut Random) -> Self {
        let (other, mover) = pick_two(random, &MEMBERS);
        let topic = (pick(random, &QUALITIES), pick(random, &PLACES));
        let (low, high) = (random.random_range(1..=4), random.random_range(5..=9));
        let passed = random.random_bool(0.5);
        let (votes_for, votes_against) = if passed { (high, low) } else { (low, high) };
        Self {
            other,
            mover,
            action: pick(random, &ACTIONS),
            topic,
            votes_for,
            votes_against,
        }
    }

    /// `passed` or `failed`.
    pub(super) fn result(&self) -> &'static str {
        if self.votes_for > self.votes_against {
            "passed"
        } else {
            "failed"
        }
    }

    /// The transcript, one turn per line.
    pub(super) fn transcript(&self, random: &mut Random) -> String {
        let Self {
            other,
            mover,
            action,
            topic,
            votes_for,
            votes_against,
        } = self;
        let topic = format!("{} {}", topic.0, topic.1);
        let result = self.result();
        let opening = match random.random_range(0..4) {
            0 => format!("Chair {other}: The next item is the {topic}."),
            1 => format!("Chair {other}: Who will speak about the {topic}?"),
            2 => format!("Chair {other}: We turn to the {topic}."),
            _ => format!("Member {other}: Please tell us about the {topic}."),
        };
        let motion = match random.random_range(0..3) {
            0 => format!("Member {mover}: I move to {action} it."),
            1 => format!("Member {mover}: I ask the council to {action} it."),
            _ => format!("Member {mover}: My motion is to {action} it."),
        };
        let vote = match random.random_range(0..3) {
            0 => format!("Clerk: The motion {result} {votes_for}-{votes_against}."),
            1 => format!("Clerk: By {votes_for}-{votes_against} the motion {result}."),
            _ => format!("Clerk: The vote is {votes_for}-{votes_against}, so it {result}."),
        };
        format!("{opening}\n{motion}\n{vote}")
    }

    /// The one-line summary.
    pub(super) fn summary(&self) -> String {
        let Self {
            mover,
            action,
            topic,
            votes_for,
            votes_against,
            ..
        } = self;
        let topic = format!("{} {}", topic.0, topic.1);
        let result = self.result();
        format!("{mover} moved to {action} the {topic}; {result} {votes_for}-{votes_against}.")
    }
}

/// Draws a row.
pub(super) fn row(random: &mut Random, _index: usize) -> Row {
    let decision = Decision::draw(random);
    Row {
        prompt: format!(
            "Summarize the meeting in one line.\nTranscript:\n{}\nSummary:",
            decision.transcript(random)
        ),
        answer: decision.summary(),
    }
}
