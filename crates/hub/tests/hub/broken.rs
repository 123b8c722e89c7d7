//! Files that come in parts or late.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use hub::HubError;

use crate::kept::{FILE, HALF, assert_not_offered, assert_whole, partial};
use crate::repository::{MODEL, Repository, fetch, hub, part};
use crate::server::{Reply, Server};

#[test]
fn a_broken_connection_is_made_again_from_where_it_broke() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve_but(FILE, |request, reply| match request.from() {
        0 => Reply {
            cut: Some(HALF),
            ..reply
        },
        _ => reply,
    });
    fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    assert_whole(cache.path(), FILE);
    let begins: Vec<usize> = server
        .requests_for(FILE)
        .iter()
        .map(|request| request.from())
        .collect();
    assert_eq!(begins, [0, HALF]);
}

#[test]
fn a_connection_that_breaks_always_is_given_up_and_continued_by_the_next_fetch() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve_but(FILE, |_, reply| Reply {
        cut: Some(1_000),
        ..reply
    });
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    assert!(
        matches!(error, HubError::Interrupted { done: 6_000, .. }),
        "{error}"
    );
    assert_not_offered(cache.path(), FILE);
    assert_eq!(
        fs::metadata(partial(cache.path(), FILE)).unwrap().len(),
        6_000
    );

    let good = Repository::tiny().serve();
    fetch(&hub(good.endpoint(), cache.path()), MODEL).unwrap();
    assert_whole(cache.path(), FILE);
    assert_eq!(good.requests_for(FILE)[0].from(), 6_000);
    // The small files were whole before.
    assert_eq!(good.requests().len(), 2);
}

#[test]
fn a_connection_that_brings_nothing_is_not_made_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve_but(FILE, |_, reply| Reply {
        cut: Some(0),
        ..reply
    });
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    assert!(
        matches!(error, HubError::Interrupted { done: 0, .. }),
        "{error}"
    );
    assert_eq!(server.requests_for(FILE).len(), 1);
}

#[test]
fn a_stall_ends_with_what_has_come_kept() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve_but(FILE, |_, reply| Reply {
        stall: Some(HALF),
        ..reply
    });
    let mut hub = hub(server.endpoint(), cache.path());
    hub.timeouts.stall = Duration::from_millis(500);
    let error = fetch(&hub, MODEL).unwrap_err();
    assert!(
        matches!(&error, HubError::Stalled { seconds: 0.5, file } if file == FILE),
        "{error}"
    );
    assert_not_offered(cache.path(), FILE);
    assert_eq!(
        fs::metadata(partial(cache.path(), FILE)).unwrap().len(),
        HALF as u64
    );
}

#[test]
fn a_server_that_ignores_the_range_sends_everything_again() {
    let cache = tempfile::tempdir().unwrap();
    let asked = AtomicUsize::new(0);
    let server = Repository::tiny().serve_but(FILE, move |_, _| {
        let whole = part(&Repository::tiny().files[FILE], 0);
        match asked.fetch_add(1, Ordering::SeqCst) {
            0 => Reply {
                cut: Some(HALF),
                ..whole
            },
            _ => whole,
        }
    });
    fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    assert_whole(cache.path(), FILE);
    assert_eq!(server.requests_for(FILE).len(), 2);
}

#[test]
fn a_range_that_was_not_asked_for_is_refused() {
    for range in [
        "bytes 5-9/400000",
        "bytes x",
        "5-9/10",
        "bytes 150000-/-1",
        "",
    ] {
        let cache = tempfile::tempdir().unwrap();
        let server =
            Repository::tiny().serve_but(FILE, move |request, reply| match request.from() {
                0 => Reply {
                    cut: Some(HALF),
                    ..reply
                },
                _ => Reply::new(206, "12345").header("Content-Range", range),
            });
        let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
        assert!(
            matches!(error, HubError::BadAnswer { .. }),
            "{range:?}: {error}"
        );
        assert_not_offered(cache.path(), FILE);
    }
}

#[test]
fn a_whole_file_that_was_not_named_yet_needs_no_network() {
    let cache = tempfile::tempdir().unwrap();
    let path = partial(cache.path(), FILE);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &Repository::tiny().files[FILE]).unwrap();
    let server = Repository::tiny().serve();
    fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    assert_whole(cache.path(), FILE);
    assert!(server.requests_for(FILE).is_empty());
}

#[test]
fn a_refusal_of_the_storage_is_its_own() {
    let cache = tempfile::tempdir().unwrap();
    let storage = Server::start(|_| Reply::new(403, "expired"));
    let host = storage.address.to_string();
    let server = Repository::tiny().serve_but(FILE, move |_, _| {
        Reply::new(302, "").header("Location", format!("http://{host}/x"))
    });
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    let named = storage.address.to_string();
    assert!(
        matches!(&error, HubError::Status { status: 403, host, .. } if *host == named),
        "{error}"
    );
}
