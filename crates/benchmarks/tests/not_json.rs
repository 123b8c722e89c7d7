//! Files that are not JSON: the error names their format, on one line.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use benchmarks::{BenchmarkError, Benchmarks, NotJson, Place, Suite, load_rows, load_task};

const GOOD: &str = r#"[{"prompt": "p", "answer": "a"}]"#;
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n\
    oid sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nsize 263424\n";
const LINES: &str =
    "{\"prompt\": \"p\", \"answer\": \"a\"}\n{\"prompt\": \"q\", \"answer\": \"b\"}";

/// The error of reading the bytes as rows, without the path at its beginning.
fn error(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.json");
    fs::write(&path, bytes).unwrap();
    let error = load_rows(&path).unwrap_err().to_string();
    let rest = error.strip_prefix(&path.display().to_string());
    rest.unwrap_or_else(|| panic!("no path: {error}"))
        .to_string()
}

fn with_mark(mark: &[u8], text: &str) -> Vec<u8> {
    [mark, text.as_bytes()].concat()
}

#[test]
fn an_error_names_the_format_of_the_file() {
    let empty = " is empty, expected one JSON array of rows: copy or download it again";
    let lines = " holds JSON lines (one object per line), expected one JSON array of rows: convert \
        it with `jq -s . OLD > NEW`";
    let utf16 = |mark: &str| {
        format!(
            " begins with the byte order mark of UTF-16 ({mark}), and JSON is UTF-8: save it as \
             UTF-8 without a byte order mark"
        )
    };
    let utf32 = |mark: &str| utf16(mark).replace("UTF-16", "UTF-32");
    let cases: [(Vec<u8>, String); 15] = [
        (Vec::new(), empty.to_string()),
        (b" \r\n\t".to_vec(), empty.to_string()),
        (
            with_mark(b"\xef\xbb\xbf", GOOD),
            " begins with a byte order mark (EF BB BF), which JSON does not allow: save it as \
             UTF-8 without one"
                .to_string(),
        ),
        (with_mark(b"\xff\xfe", "[\0]\0"), utf16("FF FE")),
        (with_mark(b"\xfe\xff", "\0[\0]"), utf16("FE FF")),
        (with_mark(b"\xff\xfe\0\0", "[\0\0\0"), utf32("FF FE 00 00")),
        (with_mark(b"\0\0\xfe\xff", "\0\0\0["), utf32("00 00 FE FF")),
        (
            b"\x1f\x8b\x08\0".to_vec(),
            " is compressed with gzip (1F 8B), not JSON: unpack it".to_string(),
        ),
        (
            b"PK\x03\x04\x14".to_vec(),
            " is a ZIP archive (50 4B 03 04), not JSON: unpack it".to_string(),
        ),
        (
            b"PAR1\x15\x04".to_vec(),
            " is a Parquet file (PAR1), not JSON: convert it to JSON".to_string(),
        ),
        (
            b"\n<!DOCTYPE html><html>".to_vec(),
            " is a web page or XML (<), not JSON: download the file itself".to_string(),
        ),
        (
            POINTER.as_bytes().to_vec(),
            " is a Git LFS pointer, not the file itself, which has 263424 bytes: run `git lfs pull`"
                .to_string(),
        ),
        (
            POINTER.replace("size 263424\n", "").into_bytes(),
            " is a Git LFS pointer, not the file itself: run `git lfs pull`".to_string(),
        ),
        (LINES.as_bytes().to_vec(), lines.to_string()),
        // Lines must be repaired first, whatever their content.
        (
            LINES.replacen("\"p\"", r#""\ud83d""#, 1).into_bytes(),
            lines.to_string(),
        ),
    ];
    for (bytes, expected) in cases {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert_eq!(error(&bytes), expected, "{text:?}");
    }
}

#[test]
fn an_error_shows_half_of_a_surrogate_pair_and_its_position() {
    let half = |escape: &str, place: &str| {
        format!(
            " holds half of a surrogate pair without the other half ({escape}) at {place} (from \
             0): write the whole character or remove the half"
        )
    };
    let cases = [
        (
            r#"[{"prompt":"smile \ud83d","answer":"x"},{"prompt":"b","answer":"y"}]"#,
            half(r"\ud83d", "line 1 column 19, row 0"),
        ),
        (
            "[{\"prompt\": \"[,\\\"\\\\\", \"answer\": [1, {}]},\n {\"prompt\": \"é\\uDE00\"",
            half(r"\uDE00", "line 2 column 16, row 1"),
        ),
        // Not half of a pair: a complete pair, another character, an escaped backslash before a
        // `u`.
        (
            r#"[1, 2, "\ud83d\ude00 \u00e9 \\ud83d \uDBFF\uDFFF", "\uD800\u00e9"]"#,
            half(r"\uD800", "line 1 column 53, row 3"),
        ),
        (
            r#"["\uD800\uD800\uDC00"]"#,
            half(r"\uD800", "line 1 column 3, row 0"),
        ),
        (r#"["\uDFFF"]"#, half(r"\uDFFF", "line 1 column 3, row 0")),
        (
            r#"["\ud800\ue000"]"#,
            half(r"\ud800", "line 1 column 3, row 0"),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text.as_bytes()), expected, "{text}");
    }
    // Code units next to the range of surrogates are characters.
    let row = r#"[{"prompt": "\ud7ff\ue000\ud83d\ude00", "answer": "a"}]"#;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.json");
    fs::write(&path, row).unwrap();
    let rows = load_rows(&path).unwrap();
    assert_eq!(rows[0].prompt, "\u{d7ff}\u{e000}\u{1f600}");
}

#[test]
fn an_earlier_fault_is_reported_before_half_of_a_surrogate_pair() {
    let before = error(b"[{\"prompt\": \"p\" \"answer\": \"a\"},\n{\"prompt\": \"\\ud83d\"}]");
    assert_eq!(before, ": expected `,` or `}` at line 1 column 17");
    let before = error(br#"[nil, "\ud83d"]"#);
    assert_eq!(before, ": expected ident at line 1 column 3");
    let before = error("[\"\\é \\ud83d\"]".as_bytes());
    assert_eq!(before, ": invalid escape at line 1 column 4");
    // A file with one line is not a file of lines, nor is one with a comma after the first object.
    let one = error(br#"{"prompt": "p", "answer": "a"}"#);
    assert_eq!(one, ": expected an array of rows, found an object");
    let comma = error(b"{\"prompt\": \"p\"},\n{\"prompt\": \"q\"}");
    assert_eq!(comma, ": trailing characters at line 1 column 16");
    let arrays = error(format!("{GOOD}\n{GOOD}").as_bytes());
    assert_eq!(arrays, ": trailing characters at line 2 column 1");
}

#[test]
fn an_error_shows_invalid_utf_8_and_its_position() {
    // é in Latin-1.
    let text = b"[{\"prompt\": \"p\", \"answer\": \"a\"},\n {\"prompt\": \"caf\xe9\"}]";
    assert_eq!(
        error(text),
        " is not UTF-8: byte E9 at offset 49 (line 2 column 17, row 1 (from 0)) is wrong: save it \
         as UTF-8"
    );
    // The first two bytes of the three bytes of €.
    assert_eq!(
        error(b"[{\"prompt\": \"\xe2\x82"),
        " ends inside a character at offset 13 (line 1 column 14, row 0 (from 0)), so its end is \
         missing: copy or download it again"
    );
    assert_eq!(
        error(b"[]\n, \xff"),
        " is not UTF-8: byte FF at offset 5 (line 2 column 3) is wrong: save it as UTF-8"
    );
}

#[test]
fn suite_and_labels_give_the_same_errors_as_rows() {
    let folder = tempfile::tempdir().unwrap();
    let says = |file: &str, bytes: &[u8], open: &dyn Fn(&Path) -> BenchmarkError| -> String {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        let error = open(folder.path()).to_string();
        fs::remove_file(&path).unwrap();
        let rest = error.strip_prefix(&path.display().to_string());
        rest.unwrap_or_else(|| panic!("no path: {error}"))
            .to_string()
    };
    let labels = |folder: &Path| {
        let suite = Suite::cl_benchmark();
        let task = suite.order("dbpedia").unwrap()[0];
        load_task(folder, task).unwrap_err()
    };
    let suite = |folder: &Path| Benchmarks::builtin().open(folder).unwrap_err();
    let pointer = " is a Git LFS pointer, not the file itself, which has 263424 bytes: run `git lfs \
        pull`";
    let mark = with_mark(b"\xef\xbb\xbf", "[]");
    let marked = " begins with a byte order mark (EF BB BF), which JSON does not allow: save it as \
        UTF-8 without one";
    let half = " holds half of a surrogate pair without the other half (\\udc00) at line 1 column";
    let remedy = ": write the whole character or remove the half";

    let file = "suite.json";
    assert_eq!(says(file, POINTER.as_bytes(), &suite), pointer);
    assert_eq!(says(file, &mark, &suite), marked);
    assert_eq!(
        says(file, b"{}\n{}", &suite),
        " holds JSON lines (one object per line), expected one JSON object that describes a suite: \
         keep one value and remove the others"
    );
    assert_eq!(
        says(file, br#"{"name": "\udc00"}"#, &suite),
        format!("{half} 11{remedy}")
    );
    let error = says(file, br#"{"title": "mine"}"#, &suite);
    let expected = ": not a JSON object that describes a suite: unknown field `title`, expected one \
        of `name`, `tasks`, `orders`, `general` at line 1 column 8";
    assert_eq!(error, expected);

    let file = "TC/dbpedia/labels.json";
    assert_eq!(says(file, POINTER.as_bytes(), &labels), pointer);
    assert_eq!(says(file, &mark, &labels), marked);
    assert_eq!(
        says(file, b"", &labels),
        " is empty, expected one JSON array of labels: copy or download it again"
    );
    assert_eq!(
        says(file, br#"["a", "\udc00"]"#, &labels),
        format!("{half} 8{remedy}")
    );
    assert_eq!(
        says(file, b"[\"a\",\n3]", &labels),
        ": not a JSON array of labels: invalid type: integer `3`, expected a string at line 2 \
         column 1"
    );
}

#[test]
fn the_error_contains_the_format_as_a_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.json");
    fs::write(&path, r#"[{"prompt": "\ud83d"}]"#).unwrap();
    let Err(BenchmarkError::NotJson { found, .. }) = load_rows(&path) else {
        panic!("half of a surrogate pair is no JSON");
    };
    let place = Place {
        line: 1,
        column: 14,
        row: Some(0),
    };
    let escape = r"\ud83d".to_string();
    assert_eq!(found, NotJson::HalfSurrogate { escape, place });
}
