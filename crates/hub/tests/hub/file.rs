//! Files at addresses that somebody listed with their hashes.

use hub::{HubError, WantedFile, fetch_file};

use crate::repository::{hub, names, part, sha256, weights};
use crate::server::{Reply, Server};

#[test]
fn a_file_goes_on_where_it_broke_off_and_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = weights(3);
    let served = bytes.clone();
    // Every connection breaks off after a third.
    let cut = bytes.len() / 3;
    let server = Server::start(move |request| {
        let reply = part(&served, request.from());
        Reply {
            cut: Some(cut.min(reply.body.len())),
            ..reply
        }
    });
    let settings = hub(server.endpoint(), folder.path());
    let wanted = WantedFile {
        url: &format!("{}/data/rows.jsonl", server.endpoint()),
        bytes: bytes.len() as u64,
        sha256: &sha256(&bytes).to_uppercase(),
    };
    let path = folder.path().join("general/rows.jsonl");
    fetch_file(&settings, &wanted, &path, &mut ()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(names(path.parent().unwrap()), ["rows.jsonl"]);
    let from: Vec<usize> = server
        .requests()
        .iter()
        .map(|request| request.from())
        .collect();
    assert!(from.len() > 2 && from.is_sorted(), "{from:?}");

    // What an earlier process left is not fetched again.
    let left = folder.path().join("general/other.jsonl.incomplete");
    std::fs::write(&left, &bytes[..cut]).unwrap();
    let other = folder.path().join("general/other.jsonl");
    fetch_file(&settings, &wanted, &other, &mut ()).unwrap();
    assert_eq!(std::fs::read(&other).unwrap(), bytes);
    assert_eq!(server.requests()[from.len()].from(), cut);
}

#[test]
fn another_file_is_refused_and_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = weights(4);
    let served = weights(5);
    let server = Server::start(move |request| match request.path.as_str() {
        "/gone" => Reply::new(404, "no such file"),
        _ => part(&served, request.from()),
    });
    let settings = hub(server.endpoint(), folder.path());
    let path = folder.path().join("rows.jsonl");
    let fetch = |url: &str, bytes: &[u8], offline| {
        let mut settings = settings.clone();
        settings.offline = offline;
        let url = format!("{}/{url}", server.endpoint());
        let wanted = WantedFile {
            url: &url,
            bytes: bytes.len() as u64,
            sha256: &sha256(bytes),
        };
        fetch_file(&settings, &wanted, &path, &mut ()).unwrap_err()
    };
    for wrong in [&bytes[..], &bytes[1..]] {
        let error = fetch("rows", wrong, false);
        assert!(matches!(error, HubError::WrongBytes { .. }), "{error}");
        assert_eq!(names(folder.path()), [""; 0]);
    }
    let error = fetch("gone", &bytes, false);
    assert!(
        matches!(error, HubError::Status { status: 404, .. }),
        "{error}"
    );
    let error = fetch("rows", &bytes, true).to_string();
    assert!(
        error.starts_with("HF_HUB_OFFLINE forbids the network"),
        "{error}"
    );
    assert!(!path.exists());
}
