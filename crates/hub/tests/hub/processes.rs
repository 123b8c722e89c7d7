//! Several processes with one cache, and processes that end in the middle.

use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use hub::{HubError, Progress, Transfer};

use crate::repository::{MODEL, Repository, fetch, hub, model_folder, names};
use crate::server::{Reply, Server};

const FILE: &str = "model.safetensors";
/// Says to this test program that it is to fetch: the hub's address and the cache.
const ENDPOINT: &str = "HUB_TEST_ENDPOINT";
const CACHE: &str = "HUB_TEST_CACHE";
/// Longest time that a test waits for another process.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the other processes run; without their variables there is nothing to do.
#[test]
fn another_process() {
    let (Ok(endpoint), Ok(cache)) = (std::env::var(ENDPOINT), std::env::var(CACHE)) else {
        return;
    };
    let mut hub = hub(endpoint, Path::new(&cache));
    hub.timeouts.stall = PATIENCE;
    fetch(&hub, MODEL).unwrap();
}

fn start(server: &Server, cache: &Path) -> Child {
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.args(["--exact", "processes::another_process"]);
    command.env(ENDPOINT, server.endpoint()).env(CACHE, cache);
    command.stdout(std::process::Stdio::null()).spawn().unwrap()
}

/// A hub that sends slowly enough for others to come in between.
fn slow() -> Server {
    Repository::tiny().serve_but(FILE, |_, reply| {
        thread::sleep(Duration::from_millis(500));
        reply
    })
}

#[test]
fn processes_at_the_same_time_fetch_each_file_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = slow();
    let children: Vec<Child> = (0..4).map(|_| start(&server, cache.path())).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let model = Repository::tiny();
    let mut hub = hub(server.endpoint(), cache.path());
    hub.offline = true;
    let snapshot = fetch(&hub, MODEL).unwrap();
    for name in Repository::tiny_names() {
        assert_eq!(server.requests_for(&format!("/{name}")).len(), 1, "{name}");
        assert_eq!(
            std::fs::read(snapshot.folder.join(name)).unwrap(),
            model.files[name],
            "{name}"
        );
    }
}

#[test]
fn a_killed_process_leaves_a_part_that_the_next_one_continues() {
    let cache = tempfile::tempdir().unwrap();
    let half = 200_000;
    let server = Repository::tiny().serve_but(FILE, move |request, reply| match request.from() {
        0 => Reply {
            stall: Some(half),
            ..reply
        },
        _ => reply,
    });
    let mut child = start(&server, cache.path());
    let blobs = model_folder(cache.path()).join("blobs");
    let begin = Instant::now();
    let part = loop {
        assert!(begin.elapsed() < PATIENCE, "the part did not come");
        let part = names_or_none(&blobs)
            .into_iter()
            .find(|name| name.ends_with(".incomplete"));
        if let Some(part) = part
            && blobs
                .join(&part)
                .metadata()
                .is_ok_and(|part| part.len() == half as u64)
        {
            break part;
        }
        thread::sleep(Duration::from_millis(10));
    };
    child.kill().unwrap();
    child.wait().unwrap();

    let mut hub = hub(server.endpoint(), cache.path());
    hub.offline = true;
    let error = fetch(&hub, MODEL).unwrap_err();
    assert!(matches!(error, HubError::Offline { .. }), "{error}");
    hub.offline = false;
    fetch(&hub, MODEL).unwrap();
    assert!(!blobs.join(part).exists());
    let begins: Vec<usize> = server
        .requests_for(FILE)
        .iter()
        .map(|request| request.from())
        .collect();
    assert_eq!(begins, [0, half]);
}

fn names_or_none(folder: &Path) -> Vec<String> {
    match folder.is_dir() {
        true => names(folder),
        false => Vec::new(),
    }
}

/// Stops when so many bytes are there, or as soon as it has to wait.
struct Impatient {
    bytes: u64,
    waited: bool,
}

impl Progress for Impatient {
    fn transferred(&mut self, transfer: &Transfer<'_>) -> ControlFlow<()> {
        match transfer.file == FILE && transfer.file_bytes >= self.bytes {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        }
    }

    fn waiting(&mut self, file: &str) -> ControlFlow<()> {
        assert_eq!(file, FILE);
        self.waited = true;
        ControlFlow::Break(())
    }
}

#[test]
fn a_fetch_stops_when_it_is_told_to_and_goes_on_later() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve();
    let hub = hub(server.endpoint(), cache.path());
    let mut impatient = Impatient {
        bytes: 1_000,
        waited: false,
    };
    let error = hub
        .snapshot(&MODEL.parse().unwrap(), &mut impatient)
        .unwrap_err();
    assert!(matches!(error, HubError::Stopped), "{error}");
    fetch(&hub, MODEL).unwrap();
    let begins: Vec<usize> = server
        .requests_for(FILE)
        .iter()
        .map(|request| request.from())
        .collect();
    assert!(begins.len() == 2 && begins[1] >= 1_000, "{begins:?}");
}

#[test]
fn waiting_for_another_process_can_be_stopped() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve_but(FILE, |_, reply| Reply {
        stall: Some(10),
        ..reply
    });
    let mut child = start(&server, cache.path());
    let begin = Instant::now();
    while server.requests_for(FILE).is_empty() {
        assert!(
            begin.elapsed() < PATIENCE,
            "the other process did not begin"
        );
        thread::sleep(Duration::from_millis(10));
    }
    let mut impatient = Impatient {
        bytes: u64::MAX,
        waited: false,
    };
    let hub = hub(server.endpoint(), cache.path());
    let error = hub
        .snapshot(&MODEL.parse().unwrap(), &mut impatient)
        .unwrap_err();
    assert!(
        impatient.waited && matches!(error, HubError::Stopped),
        "{error}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}
