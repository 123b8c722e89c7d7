//! Whatever a file holds, it is read or refused: never a panic, and never a row without its place.

#![allow(clippy::unwrap_used)]

use std::io::Write;

use proptest::prelude::*;
use rows::{RowSet, RowsError, Source};

/// Rows of every format, to be damaged.
const ROWS: [&str; 7] = [
    r#"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "unmask": false}"#,
    r#"{"prompt": "a", "completion": "b"}"#,
    r#"{"prompt": "a", "answer": "b"}"#,
    r#"{"instruction": "a", "input": "", "output": "b"}"#,
    r#"{"text": "a b c"}"#,
    r#"{"input_ids": [1, 2, 3], "labels": [-100, 2, 3]}"#,
    r#"[{"text": "a"}, {"text": "b"}]"#,
];

fn read(bytes: &[u8]) -> Result<RowSet, RowsError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    RowSet::read(&[Source {
        path: file.path().to_path_buf(),
        weight: 1.0,
    }])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(error) = read(&bytes) {
            prop_assert_eq!(error.to_string().lines().count(), 1);
        }
    }

    #[test]
    fn damaged_rows_are_refused_or_read(
        row in 0..ROWS.len(),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 0..4),
    ) {
        let mut bytes = ROWS[row].as_bytes().to_vec();
        for (place, byte, kind) in damages {
            if bytes.is_empty() {
                break;
            }
            let place = place.index(bytes.len());
            match kind {
                0 => bytes[place] = byte,
                1 => bytes.insert(place, byte),
                _ => { bytes.remove(place); }
            }
        }
        match read(&bytes) {
            Ok(set) => prop_assert!(set.rows.iter().all(|row| row.repeats == 1)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }

    #[test]
    fn held_out_rows_and_the_others_are_all_rows(
        prompts in prop::collection::vec(0..12_u8, 2..60),
        share in 0.01..0.99_f64,
        seed in any::<u64>(),
    ) {
        let lines: Vec<String> = prompts
            .iter()
            .enumerate()
            .map(|(row, prompt)| format!(r#"{{"prompt": "p{prompt}", "answer": "a{row}"}}"#))
            .collect();
        let mut set = read(lines.join("\n").as_bytes()).unwrap();
        let mut distinct = prompts.clone();
        distinct.sort_unstable();
        distinct.dedup();
        let held_out = set.hold_out(share, seed);
        if distinct.len() < 2 {
            prop_assert!(held_out.is_err());
            return Ok(());
        }
        let held_out = held_out.unwrap();
        prop_assert!(!held_out.is_empty() && !set.rows.is_empty());
        prop_assert_eq!(held_out.len() + set.rows.len(), prompts.len());
        prop_assert!(rows::check::shared(&set.rows, &held_out).is_empty());
        // A prompt of many rows does not make the share many times larger, unless there is none of fewer.
        let wanted = ((prompts.len() as f64 * share).round() as usize).max(1);
        let count = |prompt| prompts.iter().filter(|other| *other == prompt).count();
        let smallest = distinct.iter().map(count).min().unwrap_or(0);
        prop_assert!(held_out.len() <= smallest.max(2 * wanted));
    }
}
