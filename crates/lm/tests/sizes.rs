//! Published shapes of models.

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use lm::{Model, Pretrained, size_named, sizes};

#[test]
fn published_shapes_have_the_parameters_that_their_publishers_count() {
    let path = Path::new("config.json");
    assert_eq!(sizes().count(), 20);
    for size in sizes() {
        // Uninitialized: nothing of that size is allocated.
        let model = Model::from_config(&size.config, path, &Device::flex()).unwrap();
        assert_eq!(
            Some(model.num_params() as u64),
            size.parameters,
            "{}",
            size.name
        );
    }
}

#[test]
fn published_shapes_are_found_by_folder_name_ignoring_case() {
    for (name, repository, parameters) in [
        ("t5-small", "google-t5/t5-small", 60_506_624),
        ("t5-base", "google-t5/t5-base", 222_903_552),
        ("T5-large", "google-t5/t5-large", 737_668_096),
        ("flan-t5-small", "google/flan-t5-small", 76_961_152),
        ("flan-t5-base", "google/flan-t5-base", 247_577_856),
        ("flan-t5-large", "google/flan-t5-large", 783_150_080),
        (
            "Llama-2-7b-chat-hf",
            "meta-llama/Llama-2-7b-chat-hf",
            6_738_415_616,
        ),
    ] {
        let size = size_named(name).unwrap();
        assert_eq!(
            (size.repository, size.parameters),
            (repository, Some(parameters))
        );
    }
    assert!(size_named("my-model").is_none());
}
