//! Whatever a hub answers, a fetch ends with a folder or a sentence: it never panics, and never writes elsewhere.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hub::HubError;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::repository::{COMMIT, MODEL, Repository, fetch, hub, names};
use crate::server::{Reply, Request, Server};

/// Statuses that are sent instead of the right one.
const STATUSES: [u16; 12] = [200, 204, 206, 301, 302, 304, 401, 403, 404, 416, 429, 503];
/// Values that are put into JSON in place of others.
const VALUES: [&str; 9] = [
    "null",
    "-1",
    "1e99",
    "\"\"",
    "[]",
    "{}",
    "\"../../x\"",
    "true",
    "18446744073709551615",
];

#[test]
fn damaged_answers_end_with_a_sentence() {
    run(&mut ChaCha8Rng::seed_from_u64(1), |fetches| fetches < 400);
}

#[test]
#[ignore = "takes ten minutes"]
fn damaged_answers_end_with_a_sentence_for_ten_minutes() {
    let begin = Instant::now();
    run(&mut ChaCha8Rng::seed_from_u64(2), |_| {
        begin.elapsed() < Duration::from_secs(600)
    });
}

fn run(random: &mut ChaCha8Rng, goes_on: impl Fn(usize) -> bool) {
    let damage = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(random.next_u64())));
    let model = small();
    let server = Server::start(move |request| {
        let mut random = damage.lock().unwrap();
        match random.random_range(0..3) {
            0 => damaged(&mut *random, &model, request),
            _ => model.answer(request),
        }
    });
    let mut whole = 0;
    let mut fetches = 0;
    while goes_on(fetches) {
        let outer = tempfile::tempdir().unwrap();
        let cache = outer.path().join("a/b/cache");
        let mut hub = hub(server.endpoint(), &cache);
        hub.timeouts.stall = Duration::from_millis(100);
        hub.timeouts.answer = Duration::from_millis(100);
        match fetch(&hub, MODEL) {
            Ok(snapshot) => {
                whole += 1;
                assert_eq!(snapshot.commit, COMMIT);
                let expected = small();
                for name in ["config.json", "model.safetensors"] {
                    let bytes = std::fs::read(snapshot.folder.join(name)).unwrap();
                    assert_eq!(bytes, expected.files[name]);
                }
            }
            Err(error) => {
                assert!(!matches!(error, HubError::Io { .. }), "{error}");
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
        // A path that left the cache would stand here.
        assert!(names(outer.path()).iter().all(|name| name == "a"));
        fetches += 1;
    }
    assert!(
        whole > 0 && whole < fetches,
        "{whole} of {fetches} were whole"
    );
}

/// Few requests, so that some fetches meet no damage.
fn small() -> Repository {
    let mut model = Repository::default();
    let all = Repository::tiny();
    for name in ["config.json", "model.safetensors"] {
        model.put(name, all.files[name].clone());
    }
    model
}

fn damaged(random: &mut impl Rng, model: &Repository, request: &Request) -> Reply {
    let mut reply = model.answer(request);
    match random.random_range(0..8) {
        0 => reply.status = STATUSES[random.random_range(0..STATUSES.len())],
        1 => reply.cut = Some(random.random_range(0..=reply.body.len())),
        2 => reply.length = Some(random.random_range(0..1_000_000)),
        3 => reply.unannounced = true,
        4 => damage_bytes(random, &mut reply.body),
        5 => reply.body = replaced(random, &String::from_utf8_lossy(&reply.body)).into_bytes(),
        6 => {
            let (first, last, total) = (
                random.random::<u32>(),
                random.random::<u8>(),
                random.random::<u32>(),
            );
            reply = reply.header("Content-Range", format!("bytes {first}-{last}/{total}"));
            reply.status = 206;
        }
        _ => {
            reply.status = 302;
            let targets = [
                "",
                "http://",
                "/",
                "//x",
                "ftp://a",
                "http://127.0.0.1:1/",
                "\u{1}",
                "https://[",
                "?",
            ];
            reply = reply.header("Location", targets[random.random_range(0..targets.len())]);
        }
    }
    if random.random_range(0..50) == 0 {
        reply.stall = Some(random.random_range(0..=reply.body.len()));
    }
    reply
}

fn damage_bytes(random: &mut impl Rng, bytes: &mut Vec<u8>) {
    for _ in 0..random.random_range(1..5) {
        if bytes.is_empty() {
            return;
        }
        let place = random.random_range(0..bytes.len());
        match random.random_range(0..3) {
            0 => bytes[place] = random.random(),
            1 => bytes.insert(place, random.random()),
            _ => bytes.truncate(place),
        }
    }
}

/// A text of JSON with the value behind one colon replaced.
fn replaced(random: &mut impl Rng, text: &str) -> String {
    let colons: Vec<usize> = text
        .match_indices(':')
        .map(|(place, _)| place + 1)
        .collect();
    if colons.is_empty() {
        return text.to_string();
    }
    let begin = colons[random.random_range(0..colons.len())];
    let rest = &text[begin..];
    let end = rest.find([',', '}']).unwrap_or(rest.len());
    let value = VALUES[random.random_range(0..VALUES.len())];
    format!("{}{value}{}", &text[..begin], &rest[end..])
}
