//! Files that come in parts, late, or wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hub::HubError;

use crate::repository::{
    COMMIT, MODEL, Repository, fetch, git_hash, hub, model_folder, names, part, sha256,
};
use crate::server::{Reply, Server};

const FILE: &str = "model.safetensors";
/// Bytes after which a connection breaks off.
const HALF: usize = 150_000;

fn blob(cache: &Path, name: &str) -> PathBuf {
    let bytes = &Repository::tiny().files[name];
    let hash = match name {
        FILE => sha256(bytes),
        _ => git_hash(bytes),
    };
    model_folder(cache).join("blobs").join(hash)
}

fn partial(cache: &Path, name: &str) -> PathBuf {
    let blob = blob(cache, name);
    blob.with_file_name(format!(
        "{}.incomplete",
        blob.file_name().unwrap().to_str().unwrap()
    ))
}

/// The cache has a whole file, and nothing half of it.
fn assert_whole(cache: &Path, name: &str) {
    assert_eq!(
        fs::read(blob(cache, name)).unwrap(),
        Repository::tiny().files[name]
    );
    let linked = model_folder(cache)
        .join("snapshots")
        .join(COMMIT)
        .join(name);
    assert_eq!(fs::read(linked).unwrap(), Repository::tiny().files[name]);
    assert!(!partial(cache, name).exists());
}

/// The cache does not offer a file under its name.
fn assert_not_offered(cache: &Path, name: &str) {
    assert!(!blob(cache, name).exists());
    assert!(
        !model_folder(cache)
            .join("snapshots")
            .join(COMMIT)
            .join(name)
            .exists()
    );
    assert!(!model_folder(cache).join("refs/main").exists());
}

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
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
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
fn wrong_bytes_are_deleted_and_said() {
    for name in [FILE, "config.json"] {
        let cache = tempfile::tempdir().unwrap();
        let server = Repository::tiny().serve_but(name, |_, mut reply| {
            *reply.body.last_mut().unwrap() ^= 1;
            reply
        });
        let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
        assert!(
            matches!(&error, HubError::WrongBytes { file, .. } if file == name),
            "{error}"
        );
        assert!(error.to_string().contains("deleted"), "{error}");
        assert_not_offered(cache.path(), name);
        assert!(!partial(cache.path(), name).exists());
    }
}

#[test]
fn what_an_earlier_fetch_left_is_checked_too() {
    for left in [
        vec![7; HALF],
        vec![7; 400_000],
        vec![7; 400_001],
        vec![7; 900_000],
    ] {
        let cache = tempfile::tempdir().unwrap();
        let path = partial(cache.path(), FILE);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &left).unwrap();
        let hub = hub(Repository::tiny().serve().endpoint(), cache.path());
        // What is longer than the file is thrown away before anything is asked.
        if left.len() <= Repository::tiny().files[FILE].len() {
            let error = fetch(&hub, MODEL).unwrap_err();
            assert!(matches!(error, HubError::WrongBytes { .. }), "{error}");
            assert_not_offered(cache.path(), FILE);
        }
        fetch(&hub, MODEL).unwrap();
        assert_whole(cache.path(), FILE);
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
fn a_length_that_is_not_the_listed_one_is_refused() {
    let shorter = |mut reply: Reply| {
        reply.body.truncate(HALF);
        reply
    };
    let longer = |mut reply: Reply| {
        reply.body.extend([0; 10]);
        reply
    };
    let lies: [Arc<dyn Fn(Reply) -> Reply + Send + Sync>; 2] =
        [Arc::new(shorter), Arc::new(longer)];
    for lie in lies {
        let cache = tempfile::tempdir().unwrap();
        let server = Repository::tiny().serve_but(FILE, move |_, reply| lie(reply));
        let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
        assert!(error.to_string().contains("instead of 400000"), "{error}");
        assert_not_offered(cache.path(), FILE);
    }
    // A length beyond the body is a connection that broke off.
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(|request| {
        let mut reply = Repository::tiny().answer(request);
        if request.path.ends_with(FILE) {
            reply.length = Some(400_000);
            reply.body.truncate(10);
        }
        reply
    });
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    assert!(matches!(error, HubError::Interrupted { .. }), "{error}");
    assert_not_offered(cache.path(), FILE);
}

#[test]
fn a_file_without_a_length_is_read_to_its_listed_size() {
    for more in [0, 10] {
        let cache = tempfile::tempdir().unwrap();
        let server = Repository::tiny().serve_but(FILE, move |_, mut reply| {
            reply.body.extend(vec![0; more]);
            Reply {
                unannounced: true,
                ..reply
            }
        });
        fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
        assert_whole(cache.path(), FILE);
    }
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve_but(FILE, |request, reply| match request.from() {
        0 => Reply {
            unannounced: true,
            cut: Some(HALF),
            ..reply
        },
        _ => reply,
    });
    fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    assert_whole(cache.path(), FILE);
}

#[test]
fn a_damaged_blob_is_fetched_again() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve();
    let hub = hub(server.endpoint(), cache.path());
    fetch(&hub, MODEL).unwrap();
    fs::write(blob(cache.path(), FILE), "cut").unwrap();
    fetch(&hub, MODEL).unwrap();
    assert_whole(cache.path(), FILE);
    assert_eq!(server.requests_for(FILE).len(), 2);
    assert_eq!(
        names(&model_folder(cache.path()).join("blobs")).len(),
        Repository::tiny_names().len()
    );
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
