//! A model is fetched as it is, with the layout of the cache that other tools read.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hub::{HubError, Progress, Token, Transfer, resolve};

use crate::repository::{
    COMMIT, MODEL, Repository, fetch, git_hash, hub, model_folder, names, sha256, weights,
};
use crate::server::{Reply, Server};

#[test]
fn the_folder_has_what_a_model_needs_and_nothing_that_runs() {
    let cache = tempfile::tempdir().unwrap();
    let model = Repository::tiny();
    let server = model.clone().serve();
    let snapshot = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    assert_eq!(snapshot.commit, COMMIT);
    assert!(snapshot.unconfirmed.is_none());
    assert_eq!(names(&snapshot.folder), Repository::tiny_names());
    for name in Repository::tiny_names() {
        assert_eq!(
            std::fs::read(snapshot.folder.join(name)).unwrap(),
            model.files[name]
        );
    }
}

#[test]
fn the_cache_has_the_layout_of_other_tools() {
    let cache = tempfile::tempdir().unwrap();
    let model = Repository::tiny();
    let server = model.clone().serve();
    fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    let folder = model_folder(cache.path());
    assert_eq!(names(&folder), ["blobs", "listings", "refs", "snapshots"]);
    assert_eq!(
        std::fs::read_to_string(folder.join("refs/main")).unwrap(),
        COMMIT
    );
    for (name, blob) in [
        ("config.json", git_hash(&model.files["config.json"])),
        (
            "model.safetensors",
            sha256(&model.files["model.safetensors"]),
        ),
    ] {
        let link = folder.join("snapshots").join(COMMIT).join(name);
        let target = std::fs::read_link(link).unwrap();
        assert_eq!(target, PathBuf::from("../../blobs").join(blob));
    }
    assert_eq!(
        names(&folder.join("blobs")).len(),
        Repository::tiny_names().len()
    );
}

#[test]
fn shards_are_those_of_the_index() {
    let cache = tempfile::tempdir().unwrap();
    let server = Repository::sharded().serve();
    let snapshot = fetch(&hub(server.endpoint(), cache.path()), MODEL).unwrap();
    let weights: Vec<String> = names(&snapshot.folder)
        .into_iter()
        .filter(|name| name.starts_with("model"))
        .collect();
    let expected = [
        "model-1.safetensors",
        "model-2.safetensors",
        "model.safetensors.index.json",
    ];
    assert_eq!(weights, expected);
}

#[test]
fn parts_of_a_tokenizer_are_fetched_where_there_is_no_whole_one() {
    let cache = tempfile::tempdir().unwrap();
    let mut model = Repository::tiny();
    model.files.remove("tokenizer.json");
    model.put("merges.txt", "a b");
    model.put("spiece.model", "pieces");
    let snapshot = fetch(&hub(model.serve().endpoint(), cache.path()), MODEL).unwrap();
    for name in ["vocab.json", "merges.txt", "spiece.model"] {
        assert!(snapshot.folder.join(name).is_file(), "{name}");
    }
}

#[test]
fn one_gguf_file_is_fetched_alone() {
    let cache = tempfile::tempdir().unwrap();
    let mut model = Repository::default();
    model.put("small/tiny Q4.gguf", weights(7));
    model.put("tiny-Q8.gguf", weights(8));
    let bytes = model.files["small/tiny Q4.gguf"].clone();
    let server = Server::start(move |request| {
        let mut request = request.clone();
        request.path = request.path.replace("%20", " ");
        model.answer(&request)
    });
    let hub = hub(server.endpoint(), cache.path());
    let path = resolve(&format!("{MODEL}/small/tiny Q4.gguf"), &hub, &mut ()).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert_eq!(server.requests().len(), 2);
    let link = std::fs::read_link(&path).unwrap();
    assert!(link.starts_with("../../../blobs"), "{}", link.display());

    let error = fetch(&hub, &format!("{MODEL}/other.gguf")).unwrap_err();
    assert!(matches!(error, HubError::NoFile { .. }), "{error}");
    assert!(error.to_string().contains("tiny-Q8.gguf"), "{error}");
}

/// Keeps everything that it is told.
#[derive(Default)]
struct Told(Vec<(String, Transfer<'static>)>);

impl Progress for Told {
    fn transferred(&mut self, transfer: &Transfer<'_>) -> ControlFlow<()> {
        let told = Transfer {
            file: "",
            ..*transfer
        };
        self.0.push((transfer.file.to_string(), told));
        ControlFlow::Continue(())
    }
}

#[test]
fn progress_counts_every_byte() {
    let cache = tempfile::tempdir().unwrap();
    let model = Repository::sharded();
    let hub = hub(model.clone().serve().endpoint(), cache.path());
    let mut told = Told::default();
    let snapshot = hub.snapshot(&MODEL.parse().unwrap(), &mut told).unwrap();
    let files = names(&snapshot.folder);
    let total: usize = files.iter().map(|name| model.files[name].len()).sum();
    let last = told.0.last().unwrap().1;
    assert_eq!(
        (last.bytes, last.total, last.received),
        (total as u64, total as u64, total as u64)
    );
    assert!(
        told.0
            .iter()
            .all(|(_, at)| at.file_bytes <= at.file_total && at.bytes <= at.total)
    );
    assert!(
        told.0
            .windows(2)
            .all(|pair| pair[0].1.bytes <= pair[1].1.bytes)
    );
    for name in &files {
        let mut own = told.0.iter().filter(|(file, _)| file == name);
        let whole = own.next_back().unwrap().1;
        assert_eq!(whole.file_bytes, whole.file_total, "{name}");
    }
}

#[test]
fn the_token_goes_to_the_hub_and_to_nobody_else() {
    let cache = tempfile::tempdir().unwrap();
    let model = Repository::tiny();
    let storage = {
        let model = model.clone();
        Server::start(move |request| model.answer(request))
    };
    let elsewhere = storage.endpoint();
    let server = model.serve_but("model.safetensors", move |request, _| {
        Reply::new(302, "").header("Location", format!("{elsewhere}{}", request.path))
    });
    let mut hub = hub(server.endpoint(), cache.path());
    hub.token = Some(Token::new("hf_secret").unwrap());
    fetch(&hub, MODEL).unwrap();
    assert!(
        server
            .requests()
            .iter()
            .all(|request| request.headers["authorization"] == "Bearer hf_secret")
    );
    let there = storage.requests();
    assert_eq!(there.len(), 1);
    assert!(!there[0].headers.contains_key("authorization"));
}

#[test]
fn a_redirect_within_the_hub_keeps_the_token_and_a_circle_ends() {
    let cache = tempfile::tempdir().unwrap();
    let asked = Arc::new(Mutex::new(0));
    let count = asked.clone();
    let model = Repository::tiny();
    let server = Server::start(move |request| match request.path.strip_prefix("/moved") {
        Some(path) => {
            *count.lock().unwrap() += usize::from(request.headers.contains_key("authorization"));
            let mut request = request.clone();
            request.path = path.to_string();
            model.answer(&request)
        }
        None => Reply::new(307, "").header("Location", format!("/moved{}", request.path)),
    });
    let mut hub = hub(server.endpoint(), cache.path());
    hub.token = Some(Token::new("hf_secret").unwrap());
    fetch(&hub, MODEL).unwrap();
    assert_eq!(*asked.lock().unwrap(), 1 + Repository::tiny_names().len());

    let circle = Server::start(|request| Reply::new(302, "").header("Location", &request.path));
    hub.endpoint = circle.endpoint();
    let error = fetch(&hub, &format!("{MODEL}@other")).unwrap_err();
    assert!(error.to_string().contains("redirects"), "{error}");
}
