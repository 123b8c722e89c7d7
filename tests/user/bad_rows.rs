//! Rows that cannot be used, with what is said about them.

/// A kind of input that goes wrong.
pub struct Case {
    pub name: &'static str,
    pub rows: Vec<u8>,
    /// What the message contains.
    pub expected: &'static [&'static str],
}

fn case(name: &'static str, rows: impl Into<Vec<u8>>, expected: &'static [&'static str]) -> Case {
    Case {
        name,
        rows: rows.into(),
        expected,
    }
}

/// One case for every way in which rows go wrong.
pub fn of_rows() -> Vec<Case> {
    let long = format!("{{\"text\": \"{}\"}}\n", "a".repeat(10 << 20));
    vec![
        case("empty", "", &["rows.jsonl: it is empty"]),
        case("blank lines", "\n\n  \n", &["it is empty"]),
        case("not JSON", "hello\n", &["line 1: column 1"]),
        case(
            "a broken line",
            "{\"text\": \"a\"}\n{\"text\": \"b\"\n",
            &["line 2: column 12: EOF"],
        ),
        case(
            "a trailing comma",
            "{\"text\": \"a\",}\n",
            &["line 1: column 14: trailing comma"],
        ),
        case("single quotes", "{'text': 'a'}\n", &["line 1: column 2"]),
        case(
            "two objects in a line",
            "{\"text\":\"a\"}{\"text\":\"b\"}\n",
            &["line 1: column 13"],
        ),
        case("a number", "7\n", &["line 1: it is not a JSON object"]),
        case("a string", "\"a\"\n", &["line 1: it is not a JSON object"]),
        case(
            "no keys",
            "{}\n",
            &["line 1: it has no keys; expected messages"],
        ),
        case(
            "other keys",
            "{\"question\": \"a\"}\n",
            &["its keys are question; expected"],
        ),
        case(
            "no answer",
            "{\"prompt\": \"a\"}\n",
            &["it has prompt, but no completion or answer"],
        ),
        case(
            "no instruction",
            "{\"output\": \"a\"}\n",
            &["it has output, but no instruction"],
        ),
        case(
            "two formats",
            "{\"text\": \"a\"}\n{\"prompt\": \"a\", \"answer\": \"b\"}\n",
            &["line 2 has prompt and answer, but", "line 1 has text"],
        ),
        case(
            "an empty answer",
            "{\"prompt\": \"a\", \"answer\": \"  \"}\n",
            &["line 1: answer is empty"],
        ),
        case(
            "an empty prompt",
            "{\"prompt\": \"\", \"answer\": \"b\"}\n",
            &["line 1: prompt is empty"],
        ),
        case(
            "an answer of null",
            "{\"prompt\": \"a\", \"answer\": null}\n",
            &["answer is null"],
        ),
        case(
            "an answer of 7",
            "{\"prompt\": \"a\", \"answer\": 7}\n",
            &["answer is 7, expected text"],
        ),
        case(
            "a list of prompts",
            "{\"prompt\": [], \"answer\": \"a\"}\n",
            &["prompt is a list"],
        ),
        case("an empty text", "{\"text\": \"\"}\n", &["text is empty"]),
        case(
            "messages without a template",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]}\n",
            &["no chat template"],
        ),
        case(
            "no role",
            "{\"messages\": [{\"content\": \"a\"}]}\n",
            &["line 1: message 1 has no role"],
        ),
        case(
            "no content",
            "{\"messages\": [{\"role\": \"user\"}]}\n",
            &["message 1 has no content"],
        ),
        case(
            "no messages",
            "{\"messages\": []}\n",
            &["messages is empty"],
        ),
        case(
            "messages as text",
            "{\"messages\": \"a\"}\n",
            &["messages is a string, not a list"],
        ),
        case(
            "no assistant",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}\n",
            &["no message is the assistant's"],
        ),
        case(
            "a silent assistant",
            "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"\"}]}\n",
            &["message 2: the assistant's content is empty"],
        ),
        case(
            "unmask as text",
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}], \"unmask\": \"yes\"}\n",
            &["unmask is \"yes\""],
        ),
        case(
            "tools as text",
            "{\"messages\": [{\"role\": \"assistant\", \"content\": \"a\"}], \"tools\": \"x\"}\n",
            &["tools is a string"],
        ),
        case(
            "no tokens",
            "{\"input_ids\": []}\n",
            &["input_ids is empty"],
        ),
        case(
            "tokens as text",
            "{\"input_ids\": \"1 2\"}\n",
            &["input_ids is not a list"],
        ),
        case(
            "a token of 1.5",
            "{\"input_ids\": [1, 1.5]}\n",
            &["entry 2: 1.5 is not an integer"],
        ),
        case(
            "a token below 0",
            "{\"input_ids\": [1, -5], \"labels\": [1, -5]}\n",
            &["-5 is no token id"],
        ),
        case(
            "a token without embedding",
            "{\"input_ids\": [1, 99999999]}\n",
            &["token 99999999 has no embedding"],
        ),
        case(
            "too few labels",
            "{\"input_ids\": [1, 2], \"labels\": [1]}\n",
            &["it has 2 input_ids and 1 labels"],
        ),
        case(
            "shifted labels",
            "{\"input_ids\": [1, 2], \"labels\": [2, 3]}\n",
            &["labels, entry 1: 2 is neither"],
        ),
        case(
            "ignored labels",
            "{\"input_ids\": [1, 2], \"labels\": [-100, -100]}\n",
            &["nothing to learn"],
        ),
        case("a long line", long, &["line 1: it is longer than 8 MiB"]),
        case(
            "not UTF-8",
            b"{\"text\": \"a\xff\"}\n".to_vec(),
            &["line 1: column 12: it is not UTF-8"],
        ),
        case(
            "a byte order mark",
            b"\xef\xbb\xbf{\"text\": \"a\"}\n".to_vec(),
            &["byte order mark"],
        ),
        case("UTF-16", b"\xff\xfe{\0\"\0".to_vec(), &["byte order mark"]),
        case(
            "Parquet",
            b"PAR1\x15\x04".to_vec(),
            &["it is a Parquet file"],
        ),
        case("zip", b"PK\x03\x04abc".to_vec(), &["it is a zip archive"]),
        case(
            "a Git LFS pointer",
            "version https://git-lfs.github.com/spec/v1\n",
            &["Git LFS pointer"],
        ),
        case(
            "a broken gzip file",
            b"\x1f\x8b\x08\x00abcdefgh".to_vec(),
            &["cannot read", "rows.jsonl"],
        ),
        case("an empty list", "[]", &["it has no row"]),
        case(
            "a list of numbers",
            "[1, 2]",
            &["row 1: it is not a JSON object"],
        ),
        case(
            "a list without end",
            "[{\"text\": \"a\"}, ",
            &["rows.jsonl: EOF", "line 1"],
        ),
        case("deep nesting", "[".repeat(100_000), &["recursion limit"]),
        case("one row", "{\"text\": \"a b c\"}\n", &["cannot be divided"]),
    ]
}
