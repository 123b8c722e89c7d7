//! Numbers of every type, against llama.cpp's own Python package on random blocks with extreme scales.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;

use gguf::Gguf;

#[test]
fn every_bit_agrees_with_the_reference() {
    let file = Gguf::open(common::fixture("blocks.gguf")).unwrap();
    let mut types = BTreeSet::new();
    for info in file.tensors() {
        let Some(expected) = file.tensor_info(&format!("{}.expected", info.name)) else {
            continue;
        };
        assert_eq!(info.tensor_type.name(), info.name);
        types.insert(info.name.as_str());
        let found = file.tensor(&info.name).unwrap();
        let expected = file.tensor(&expected.name).unwrap();
        assert_eq!(found.values.len(), expected.values.len());
        for (place, (found, expected)) in found.values.iter().zip(&expected.values).enumerate() {
            // What is not a number may have any sign and payload.
            let same = found.to_bits() == expected.to_bits() || found.is_nan() && expected.is_nan();
            assert!(same, "{} {place}: {found} {expected}", info.name);
        }
        let finite = expected.values.iter().filter(|value| value.is_finite());
        assert!(finite.count() > 50, "{}: few numbers to compare", info.name);
    }
    assert_eq!(types.len(), 11);
}
