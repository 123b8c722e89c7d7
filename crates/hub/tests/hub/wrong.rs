//! Files that are not those that the hub lists.

use std::fs;
use std::sync::Arc;

use hub::HubError;

use crate::kept::{FILE, HALF, assert_not_offered, assert_whole, blob, partial};
use crate::repository::{MODEL, Repository, fetch, hub, model_folder, names, part};
use crate::server::{Reply, Server};

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
fn a_file_that_ends_before_what_is_there_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let path = partial(cache.path(), FILE);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, &Repository::tiny().files[FILE][..HALF]).unwrap();
    let server = Repository::tiny().serve_but(FILE, |request, _| part(&[7; 1_000], request.from()));
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    assert!(
        error.to_string().contains("the server has no byte 150000"),
        "{error}"
    );
    assert!(!path.exists());
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
