//! What the hub refuses or says wrongly, and the sentence that follows.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use hub::{HubError, Token};
use serde_json::json;

use crate::repository::{COMMIT, MODEL, Repository, fetch, hub, model_folder, names, weights};
use crate::server::{Reply, Server};

/// The error of a hub that answers everything so.
fn error_of(reply: Reply, token: Option<&str>) -> HubError {
    let cache = tempfile::tempdir().unwrap();
    let server = Server::start(move |_| reply.clone());
    let mut hub = hub(server.endpoint(), cache.path());
    hub.token = token.map(|token| Token::new(token).unwrap());
    let error = fetch(&hub, MODEL).unwrap_err();
    let sentence = error.to_string();
    assert_eq!(sentence.lines().count(), 1, "{sentence}");
    assert!(!sentence.contains("hf_secret"), "{sentence}");
    assert_eq!(names(cache.path()), [""; 0], "the cache was written to");
    error
}

#[test]
fn a_refusal_says_what_to_ask_for() {
    let gated = |status| Reply::new(status, "{}").header("x-error-code", "GatedRepo");
    for status in [401, 403] {
        let error = error_of(gated(status), None);
        assert!(matches!(error, HubError::Gated { .. }), "{error}");
        let sentence = error.to_string();
        assert!(
            sentence.contains("accept its conditions at http://127.0.0.1:"),
            "{sentence}"
        );
        assert!(
            sentence.contains("HF_TOKEN") && sentence.contains("no token was sent"),
            "{sentence}"
        );
    }
    let error = error_of(gated(403), Some("hf_secret"));
    assert!(error.to_string().contains("a token was sent"), "{error}");
    for (status, token) in [
        (403, None),
        (403, Some("hf_secret")),
        (401, Some("hf_secret")),
    ] {
        let error = error_of(Reply::new(status, ""), token);
        assert!(
            matches!(error, HubError::Refused { status: s, .. } if s == status),
            "{error}"
        );
    }
}

#[test]
fn a_model_that_is_not_there_is_not_found() {
    for reply in [
        Reply::new(404, "{}").header("x-error-code", "RepoNotFound"),
        Reply::new(404, ""),
        Reply::new(401, "{}").header("x-error-code", "RepoNotFound"),
    ] {
        let error = error_of(reply, None);
        assert!(matches!(error, HubError::NoModel { .. }), "{error}");
    }
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::tiny().serve();
    let error = fetch(
        &hub(server.endpoint(), cache.path()),
        &format!("{MODEL}@v9"),
    )
    .unwrap_err();
    assert!(
        matches!(&error, HubError::NoRevision { revision, .. } if revision == "v9"),
        "{error}"
    );
}

#[test]
fn a_hub_in_trouble_is_not_asked_again_at_once() {
    for (status, header, expected) in [
        (429, Some(("Retry-After", "30")), "after 30 s"),
        (429, Some(("RateLimit", "\"api\";r=0;t=55")), "after 55 s"),
        (429, None, "in a few minutes"),
        (500, None, "a problem of its own"),
        (503, None, "a problem of its own"),
        (418, None, "no answer to this request"),
    ] {
        let mut reply = Reply::new(status, "trouble");
        reply
            .headers
            .extend(header.map(|(name, value)| (name, value.to_string())));
        let error = error_of(reply, None);
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn what_is_no_list_of_files_is_refused() {
    let mut huge = json!({"sha": COMMIT, "siblings": []})
        .to_string()
        .into_bytes();
    huge.resize(40 << 20, b' ');
    let bad = [
        Reply::new(200, ""),
        Reply::new(200, "<html>log in to this network</html>"),
        Reply::new(200, "{\"sha\": \"0123\", \"siblings\": ["),
        Reply::new(200, b"\xff\xfe".to_vec()),
        Reply::new(200, "[".repeat(100_000)),
        Reply::new(200, json!({"sha": "main", "siblings": []}).to_string()),
        Reply::new(
            200,
            json!({"sha": "../../../etc", "siblings": []}).to_string(),
        ),
        Reply::new(200, json!({"sha": COMMIT}).to_string()),
        Reply::new(200, huge),
    ];
    for reply in bad {
        let error = error_of(reply, None);
        assert!(matches!(error, HubError::BadAnswer { .. }), "{error}");
    }
    let other = json!({"sha": "f".repeat(40), "siblings": []});
    let server = Server::start(move |_| Reply::new(200, other.to_string()));
    let cache = tempfile::tempdir().unwrap();
    let error = fetch(
        &hub(server.endpoint(), cache.path()),
        &format!("{MODEL}@{COMMIT}"),
    )
    .unwrap_err();
    assert!(
        error.to_string().contains("speaks of the commit"),
        "{error}"
    );
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in [
        "../../x",
        "/etc/passwd",
        "a/../../x",
        "..",
        "a\\..\\x",
        "a//b",
        "",
        "a\u{0}b",
        "./a",
    ] {
        let mut model = Repository::tiny();
        model.put(name, "harm");
        let error = error_of(Reply::new(200, model.listing().to_string()), None);
        assert!(
            matches!(error, HubError::BadAnswer { .. }),
            "{name:?}: {error}"
        );
    }
}

#[test]
fn hashes_and_sizes_that_are_none_are_refused() {
    for (field, value) in [
        ("blobId", json!("../../../../x")),
        ("blobId", json!(null)),
        ("blobId", json!("ABCDEF")),
        ("size", json!(null)),
        ("size", json!(-1)),
        ("size", json!(1e30)),
        ("lfs", json!({"sha256": "x", "size": 3})),
        ("lfs", json!({"sha256": "0".repeat(64), "size": u64::MAX})),
    ] {
        let mut listing = Repository::tiny().listing();
        for sibling in listing["siblings"].as_array_mut().unwrap() {
            if sibling["rfilename"] == "config.json" {
                sibling[field] = value.clone();
            }
        }
        let error = error_of(Reply::new(200, listing.to_string()), None);
        assert!(
            matches!(error, HubError::BadAnswer { .. }),
            "{field} {value}: {error}"
        );
    }
}

#[test]
fn weights_that_can_run_code_are_refused_in_one_sentence() {
    let mut model = Repository::tiny();
    model.files.remove("model.safetensors");
    let error = error_of(Reply::new(200, model.listing().to_string()), None);
    assert!(matches!(error, HubError::NoSafetensors { .. }), "{error}");
    assert!(error.to_string().contains("pytorch_model.bin"), "{error}");

    let mut model = Repository::default();
    model.put("model.safetensors", weights(1));
    let error = error_of(Reply::new(200, model.listing().to_string()), None);
    assert!(matches!(error, HubError::NotAModel { .. }), "{error}");
}

#[test]
fn an_index_names_shards_of_the_model_only() {
    for index in [
        json!({"weight_map": {"a": "../../../x.safetensors"}}).to_string(),
        json!({"weight_map": {"a": "missing.safetensors"}}).to_string(),
        json!({"weight_map": {"a": "pytorch_model.bin"}}).to_string(),
        json!({"weight_map": {}}).to_string(),
        "[]".to_string(),
        "\u{0}".to_string(),
    ] {
        let cache = tempfile::tempdir().unwrap();
        let mut model = Repository::sharded();
        model.put("model.safetensors.index.json", index.as_str());
        let server = model.serve();
        let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
        assert!(matches!(error, HubError::Index { .. }), "{index}: {error}");
        assert_eq!(server.requests().len(), 2, "only the index was fetched");
    }
}

#[test]
fn a_model_larger_than_the_disk_is_not_begun() {
    let cache = tempfile::tempdir().unwrap();
    let mut listing = Repository::tiny().listing();
    for sibling in listing["siblings"].as_array_mut().unwrap() {
        if sibling["rfilename"] == "model.safetensors" {
            sibling["lfs"]["size"] = json!(1_u64 << 60);
        }
    }
    let server = Server::start(move |_| Reply::new(200, listing.to_string()));
    let error = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap_err();
    assert!(
        matches!(error, HubError::DiskFull { needed, .. } if needed >= 1 << 60),
        "{error}"
    );
    assert_eq!(server.requests().len(), 1);
    assert_eq!(names(&model_folder(cache.path())), [""; 0]);
}

#[test]
fn an_address_that_is_none_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    for endpoint in [
        "",
        "huggingface.co",
        "ftp://a",
        "http://",
        "http://u:p@a",
        "http://a?b",
        "a b",
    ] {
        let error = fetch(&hub(endpoint.to_string(), cache.path()), MODEL).unwrap_err();
        assert!(
            matches!(error, HubError::Setting { .. }),
            "{endpoint:?}: {error}"
        );
    }
}

#[test]
fn a_host_that_does_not_listen_is_given_up_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let begin = Instant::now();
    let error = fetch(&hub(closed, cache.path()), MODEL).unwrap_err();
    // Nothing is waited for: a refusal comes in milliseconds, the rest is a slow machine.
    assert!(
        begin.elapsed() < Duration::from_secs(2),
        "{:?}",
        begin.elapsed()
    );
    let HubError::NotCached { error, missing } = &error else {
        panic!("{error}");
    };
    assert!(matches!(**error, HubError::NoNetwork { .. }), "{error}");
    assert!(
        missing.contains("nothing of some-lab/Tiny-1.5 was fetched at main"),
        "{missing}"
    );
}

#[test]
fn a_hub_that_says_nothing_is_given_up_after_a_while() {
    let cache = tempfile::tempdir().unwrap();
    // Accepts connections, and answers none of them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let body = Repository::tiny().listing().to_string();
    let half = Server::start(move |_| Reply {
        stall: Some(20),
        ..Reply::new(200, body.as_str())
    });
    for endpoint in [silent, half.endpoint()] {
        let mut hub = hub(endpoint, cache.path());
        // Each of the two ends the wait.
        for (answer, stall) in [(300, 60_000), (60_000, 300)] {
            hub.timeouts.answer = Duration::from_millis(answer);
            hub.timeouts.stall = Duration::from_millis(stall);
            let error = fetch(&hub, MODEL).unwrap_err();
            assert!(
                error.to_string().contains("no answer within 0.3 s"),
                "{error}"
            );
        }
    }
}
