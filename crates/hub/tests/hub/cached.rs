//! What the cache holds is used without the network, if it is whole.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use hub::HubError;
use serde_json::json;

use crate::repository::{COMMIT, MODEL, Repository, fetch, hub, model_folder, names};
use crate::server::{Reply, Server};

/// The address of a hub that is not there.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// Fills a cache with a model.
fn filled(model: Repository) -> tempfile::TempDir {
    let cache = tempfile::tempdir().unwrap();
    fetch(&hub(model.serve().endpoint(), cache.path()), MODEL).unwrap();
    cache
}

/// The same cache as another program leaves it, without the list of files.
fn without_listing(cache: &Path) {
    fs::remove_dir_all(model_folder(cache).join("listings")).unwrap();
}

#[test]
fn a_commit_is_asked_for_once() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::sharded().serve();
    let hub = hub(server.endpoint(), cache.path());
    let pinned = format!("{MODEL}@{COMMIT}");
    let first = fetch(&hub, &pinned).unwrap();
    let asked = server.requests().len();
    let second = fetch(&hub, &pinned).unwrap();
    assert_eq!(server.requests().len(), asked);
    assert_eq!(second.folder, first.folder);
    assert!(!model_folder(cache.path()).join("refs").exists());
}

#[test]
fn a_branch_is_asked_for_again_and_its_files_are_not() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve();
    let hub = hub(server.endpoint(), cache.path());
    fetch(&hub, MODEL).unwrap();
    let asked = server.requests().len();
    fetch(&hub, &format!("{MODEL}@refs/pr/1")).unwrap();
    assert_eq!(server.requests().len(), asked + 1);
    let kept = model_folder(cache.path()).join("refs/refs/pr/1");
    assert_eq!(fs::read_to_string(kept).unwrap(), COMMIT);
}

#[test]
fn offline_the_cache_serves() {
    for model in [Repository::tiny(), Repository::sharded()] {
        for with_listing in [true, false] {
            let cache = filled(model.clone());
            if !with_listing {
                without_listing(cache.path());
            }
            let server = model.clone().serve();
            let mut hub = hub(server.endpoint(), cache.path());
            hub.offline = true;
            for reference in [MODEL.to_string(), format!("{MODEL}@{COMMIT}")] {
                let snapshot = fetch(&hub, &reference).unwrap();
                assert_eq!(snapshot.commit, COMMIT);
                assert!(snapshot.unconfirmed.is_none());
            }
            assert!(server.requests().is_empty());
        }
    }
}

#[test]
fn without_a_hub_the_cache_serves_and_says_so() {
    let cache = filled(Repository::tiny());
    let snapshot = fetch(&hub(nowhere(), cache.path()), MODEL).unwrap();
    assert_eq!(names(&snapshot.folder), Repository::tiny_names());
    let why = snapshot.unconfirmed.unwrap();
    assert!(matches!(why, HubError::NoNetwork { .. }), "{why}");
    for status in [429, 500, 502] {
        let server = Server::start(move |_| Reply::new(status, ""));
        let snapshot = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
        assert!(snapshot.unconfirmed.is_some(), "{status}");
    }
    // These are answers, not their absence.
    for status in [401, 403, 404] {
        let server = Server::start(move |_| Reply::new(status, ""));
        fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    }
}

#[test]
fn a_snapshot_that_lacks_a_file_is_not_whole() {
    let needed = [
        "config.json",
        "tokenizer.json",
        "model.safetensors.index.json",
        "model-1.safetensors",
        "model-2.safetensors",
    ];
    let optional = ["generation_config.json", "tokenizer_config.json", "LICENSE"];
    for name in needed.into_iter().chain(optional) {
        let cache = filled(Repository::sharded());
        let link = model_folder(cache.path())
            .join("snapshots")
            .join(COMMIT)
            .join(name);
        // A link whose blob is gone is no file.
        fs::remove_file(fs::canonicalize(&link).unwrap()).unwrap();
        let mut hub = hub(nowhere(), cache.path());
        hub.offline = true;
        for reference in [MODEL.to_string(), format!("{MODEL}@{COMMIT}")] {
            let error = fetch(&hub, &reference).unwrap_err();
            assert!(
                matches!(&error, HubError::Offline { .. }),
                "{name}: {error}"
            );
            assert!(error.to_string().contains(name), "{name}: {error}");
        }
        hub.offline = false;
        let error = fetch(&hub, MODEL).unwrap_err();
        assert!(
            matches!(&error, HubError::NotCached { .. }),
            "{name}: {error}"
        );
        hub.offline = true;
        // Without a list, nothing tells that an optional file was there; what is needed is known.
        without_listing(cache.path());
        assert_eq!(
            fetch(&hub, MODEL).is_err(),
            needed.contains(&name),
            "{name}"
        );
        // With the hub, exactly this file is fetched.
        hub.offline = false;
        let server = Repository::sharded().serve();
        hub.endpoint = server.endpoint();
        fetch(&hub, &format!("{MODEL}@{COMMIT}")).unwrap();
        assert_eq!(server.requests().len(), 2, "{name}");
        assert_eq!(server.requests_for(name).len(), 1, "{name}");
    }
}

#[test]
fn a_file_that_was_cut_is_not_whole() {
    let cache = filled(Repository::tiny());
    let link = model_folder(cache.path())
        .join("snapshots")
        .join(COMMIT)
        .join("model.safetensors");
    fs::write(fs::canonicalize(link).unwrap(), "cut").unwrap();
    let mut hub = hub(nowhere(), cache.path());
    hub.offline = true;
    let error = fetch(&hub, MODEL).unwrap_err();
    assert!(error.to_string().contains("model.safetensors"), "{error}");
}

#[test]
fn an_empty_or_damaged_cache_says_what_it_lacks() {
    let cache = tempfile::tempdir().unwrap();
    let mut hub = hub(nowhere(), cache.path());
    hub.offline = true;
    let error = fetch(&hub, MODEL).unwrap_err();
    assert!(error.to_string().contains("was fetched at main"), "{error}");
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    assert_eq!(names(cache.path()), [""; 0]);

    let refs = model_folder(cache.path()).join("refs");
    fs::create_dir_all(&refs).unwrap();
    for damaged in ["", "main", "../../../..", "0123", "\u{0}"] {
        fs::write(refs.join("main"), damaged).unwrap();
        let error = fetch(&hub, MODEL).unwrap_err();
        assert!(
            matches!(error, HubError::Offline { .. }),
            "{damaged:?}: {error}"
        );
    }
    // A model that lies elsewhere is not led to.
    let elsewhere = model_folder(cache.path()).join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::create_dir(model_folder(cache.path()).join("snapshots")).unwrap();
    for name in ["config.json", "tokenizer.json", "model.safetensors"] {
        fs::write(elsewhere.join(name), "{}").unwrap();
    }
    fs::write(refs.join("main"), "../elsewhere").unwrap();
    fetch(&hub, MODEL).unwrap_err();
}

#[test]
fn the_list_that_python_keeps_serves() {
    let cache = filled(Repository::tiny());
    let folder = model_folder(cache.path());
    let listing = fs::read(folder.join("listings").join(format!("{COMMIT}.json"))).unwrap();
    without_listing(cache.path());
    fs::create_dir(folder.join("trees")).unwrap();
    let trees = folder.join("trees").join(format!("{COMMIT}.json"));
    fs::write(&trees, &listing).unwrap();
    let hub = hub(nowhere(), cache.path());
    let pinned = format!("{MODEL}@{COMMIT}");
    assert!(fetch(&hub, &pinned).unwrap().unconfirmed.is_none());

    // A list in a format of the future, or none, is no list: the hub is asked.
    let other = json!({"format_version": 2, "files": {}}).to_string();
    let outside = String::from_utf8(listing)
        .unwrap()
        .replace("LICENSE", "../LICENSE");
    for text in [other.as_str(), outside.as_str(), "{}", "", "[1"] {
        fs::write(&trees, text).unwrap();
        assert!(
            fetch(&hub, &pinned).unwrap().unconfirmed.is_some(),
            "{text:?}"
        );
    }
}
