//! What a step is made of: `bench --gemm`, `--threads` and `--generate`.

use std::fs;

use serde_json::Value;

use crate::{fail, scratch, succeed};

#[test]
fn bench_times_the_products_of_a_step_beside_other_programs() {
    let folder = scratch();
    // A peer that takes a millisecond for every product.
    let peer = r#"
import json, sys
spec = json.loads(sys.argv[sys.argv.index("--worker") + 1])
assert sys.argv[1] == "gemm", sys.argv
print(json.dumps({"ready": True}), flush=True)
for _ in sys.stdin:
    print(json.dumps({"seconds": [1e-3] * len(spec["products"])}), flush=True)
"#;
    fs::write(folder.path().join("peer.py"), peer).unwrap();
    let small = ["bench", "--gemm", "--shape", "llama-64x1", "--share", "0.5"];
    let more = ["--tokens", "128", "--rounds", "2", "--warmup", "0"];
    let rest = ["--peer", "slow=python3 peer.py gemm", "--out", "products"];
    let shown = succeed(folder.path(), &[&small[..], &more[..], &rest[..]].concat());
    assert!(shown.contains("all of a step"), "{shown}");
    let json = fs::read_to_string(folder.path().join("products/products.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let case = &json["cases"][0];
    // Width 64, inner width 192, vocabulary 1024: q, k, v and o are of one size, gate and up of another.
    let products = case["products"].as_array().unwrap();
    let found = |m: u64, k: u64, n: u64| {
        let of_size = |product: &&Value| product["size"] == serde_json::json!([m, k, n]);
        let of_size: Vec<&Value> = products.iter().filter(of_size).collect();
        of_size
            .iter()
            .map(|of| of["count"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    // Forward pass and gradient of the inputs have one size.
    assert_eq!(found(128, 64, 64), [4, 4]);
    assert_eq!(found(64, 128, 64), [4]);
    assert_eq!(found(128, 64, 192), [2, 1]);
    assert_eq!(found(64, 128, 192), [2]);
    assert_eq!(found(32, 128, 32), [0]);
    assert_eq!(found(32, 128, 192), [0]);
    assert_eq!(found(192, 128, 32), [0]);
    assert_eq!(found(128, 64, 1024), [1]);
    for column in case["columns"].as_array().unwrap() {
        let seconds = column["seconds"].as_array().unwrap();
        assert_eq!(seconds.len(), products.len());
        assert!(
            seconds
                .iter()
                .all(|rounds| rounds.as_array().unwrap().len() == 2)
        );
    }
    let page = fs::read_to_string(folder.path().join("products/report.md")).unwrap();
    // 2 × 128 × 64 × 64 operations in a millisecond.
    assert!(
        page.contains("ours, 1 thread") && page.contains("slow"),
        "{page}"
    );

    let error = fail(folder.path(), &["bench", "--gemm", "--variant", "core"]);
    assert!(error.contains("--variant"), "{error}");
}

#[test]
fn bench_compares_numbers_of_threads() {
    let folder = scratch();
    let small = ["bench", "--shape", "llama-64x1", "--variant", "plain"];
    let more = ["--tokens", "128", "--rounds", "1", "--warmup", "0"];
    let rest = ["--threads", "1,2", "--out", "threads"];
    let shown = succeed(folder.path(), &[&small[..], &more[..], &rest[..]].concat());
    assert!(
        shown.contains("plain, 1 thread") && shown.contains("plain, 2 threads"),
        "{shown}"
    );
    let json = fs::read_to_string(folder.path().join("threads/bench.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let losses = |at: usize| &json["cases"][0]["rows"][at]["losses"];
    // The same bits on any number of threads.
    assert_eq!(losses(0), losses(1));
}

#[test]
fn bench_compares_types_of_activations() {
    let folder = scratch();
    let small = ["bench", "--shape", "llama-64x1", "--variant", "core"];
    let more = ["--tokens", "128", "--rounds", "2", "--warmup", "0"];
    let rest = [
        "--mixed-precision",
        "none,bf16",
        "--share",
        "0.5",
        "--out",
        "types",
    ];
    let shown = succeed(folder.path(), &[&small[..], &more[..], &rest[..]].concat());
    let kinds = ["plain, mixed bf16", "osft core 0.5, mixed bf16"];
    assert!(kinds.iter().all(|kind| shown.contains(kind)), "{shown}");
    let json = fs::read_to_string(folder.path().join("types/bench.json")).unwrap();
    let json: Value = serde_json::from_str(&json).unwrap();
    let loss = |at: usize| json["cases"][0]["rows"][at]["losses"][1].as_f64().unwrap();
    // plain, core, and both in bf16, which rounds at 2⁻⁸.
    for (full, mixed) in [(loss(0), loss(2)), (loss(1), loss(3))] {
        let apart = (full / mixed - 1.0).abs();
        assert!(apart > 0.0 && apart < 1e-2, "{full} {mixed}");
    }
    let error = fail(
        folder.path(),
        &[&small[..], &["--mixed-precision", "f16"]].concat(),
    );
    assert!(
        error.contains("expected none or bf16, found \"f16\""),
        "{error}"
    );
}

#[test]
fn bench_times_answers_beside_other_programs() {
    let folder = scratch();
    let peer = r#"
import json, sys
spec = json.loads(sys.argv[sys.argv.index("--worker") + 1])
print(json.dumps({"ready": True}), flush=True)
for _ in sys.stdin:
    count = sum(len(prompts) for prompts in spec["batches"])
    assert all(16 <= len(prompt) <= 128 for prompts in spec["batches"] for prompt in prompts)
    print(json.dumps({"seconds": 4.0, "tokens": count * spec["new_tokens"]}), flush=True)
"#;
    fs::write(folder.path().join("peer.py"), peer).unwrap();
    let small = ["bench", "--generate", "--shape", "llama-64x1"];
    let more = ["--rounds", "1", "--warmup", "0", "--out", "answers"];
    let rest = ["--peer", "slow=python3 peer.py"];
    succeed(folder.path(), &[&small[..], &more[..], &rest[..]].concat());
    let page = fs::read_to_string(folder.path().join("answers/report.md")).unwrap();
    // 32 answers of 32 tokens in 4 seconds.
    let line = page.lines().find(|line| line.contains("slow")).unwrap();
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    assert_eq!(cells[2..5], ["4.00", "8.0", "256"], "{line}");
    assert!(page.contains("ours, 1 thread"), "{page}");
}
