//! SmolLM2-135M-Instruct as published in GGUF, against a folder that other code unpacked from the same file.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::json;
use gguf::Gguf;
use safetensors::SafeTensors;
use tokenizers::Tokenizer;

const NAME: &str = "smollm2-135m-instruct-q4_1";
/// Texts of many kinds: words, numbers, scripts, white space, code, special tokens.
const TEXTS: [&str; 12] = [
    "",
    " ",
    "Hello, world!",
    "  The capital of France   is Paris.\n\n\tIt's 1234567890 o'clock.",
    "naïve café — déjà vu… “quoted” ½ ﬁ",
    "日本語のテキスト、한국어 텍스트, русский текст, नमस्ते",
    "👩‍👩‍👧‍👦 🇫🇷 🙂",
    "fn main() {\n    println!(\"{}\", 0x1F_u8 as f32 * 1.5e-3);\n}\r\n",
    "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|><repo_name>a/b<file_sep>",
    "a\u{0}b\u{7f}c\u{a0}d\u{200b}e\u{feff}",
    "supercalifragilisticexpialidocious antidisestablishmentarianism",
];

/// The folder of the model in the cache of fetched models (`OSFT_MODEL_CACHE`). `None`, with a line that says so,
/// where it is missing; with `OSFT_REQUIRE_FIXTURES=1` it must be there.
fn fetched() -> Option<PathBuf> {
    let cache = std::env::var_os("OSFT_MODEL_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/osft-models"));
    let folder = cache.or(home)?.join(NAME);
    if folder.join("hf").exists() {
        return Some(folder);
    }
    let required = std::env::var("OSFT_REQUIRE_FIXTURES").is_ok_and(|value| value == "1");
    assert!(!required, "required model {} is missing", folder.display());
    eprintln!("skipped: no model {}", folder.display());
    None
}

fn open(folder: &Path) -> Gguf {
    Gguf::open(folder.join("SmolLM2-135M-Instruct.Q4_1.gguf")).unwrap()
}

#[test]
fn weights_agree_bit_for_bit() {
    let Some(folder) = fetched() else {
        return;
    };
    let file = open(&folder);
    let parent = tempfile::tempdir().unwrap();
    let unpacked = parent.path().join("unpacked");
    file.unpack(&unpacked).unwrap();
    let read = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    let (found, expected) = (read(&unpacked), read(&folder.join("hf")));
    let found = SafeTensors::deserialize(&found).unwrap();
    let expected = SafeTensors::deserialize(&expected).unwrap();
    assert_eq!(found.len(), 272);
    assert_eq!(expected.len(), 272);
    for (name, expected) in expected.iter() {
        let found = found.tensor(name).unwrap();
        assert_eq!(found.dtype(), expected.dtype(), "{name}");
        assert_eq!(found.shape(), expected.shape(), "{name}");
        assert!(found.data() == expected.data(), "{name}");
    }
}

#[test]
fn settings_agree() {
    let Some(folder) = fetched() else {
        return;
    };
    let found = open(&folder).config().unwrap();
    let expected = json(&folder.join("hf/config.json"));
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&found[key], value, "{key}");
    }
}

#[test]
fn tokens_and_template_agree() {
    let Some(folder) = fetched() else {
        return;
    };
    let files = open(&folder).tokenizer().unwrap();
    let found = Tokenizer::from_bytes(files.tokenizer.to_string()).unwrap();
    let expected = Tokenizer::from_file(folder.join("hf/tokenizer.json")).unwrap();
    assert_eq!(found.get_vocab(true), expected.get_vocab(true));
    for text in TEXTS {
        let found = found.encode(text, true).unwrap();
        let expected = expected.encode(text, true).unwrap();
        assert_eq!(found.get_ids(), expected.get_ids(), "{text:?}");
        assert_eq!(found.get_offsets(), expected.get_offsets(), "{text:?}");
    }
    let expected = json(&folder.join("hf/tokenizer_config.json"));
    for (key, value) in expected.as_object().unwrap() {
        assert_eq!(&files.tokenizer_config[key], value, "{key}");
    }
    assert_eq!(files.generation_config["eos_token_id"], 2);
}
