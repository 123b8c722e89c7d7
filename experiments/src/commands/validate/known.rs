//! Shapes of models that publications use, so that something can be said before they are there.

use std::path::Path;

use serde_json::{Value, json};

/// A model by the name it goes by.
pub struct Known {
    /// Its repository on the Hugging Face hub.
    pub repository: &'static str,
    /// What its `config.json` says about its shape.
    pub config: Value,
}

/// The model that a folder is named after, if it is one of these.
pub fn known(folder: &Path) -> Option<Known> {
    let name = folder.file_name()?.to_string_lossy().to_lowercase();
    let t5 = |repository, d_model, d_ff, layers, heads| Known {
        repository,
        config: json!({
            "model_type": "t5", "vocab_size": 32128, "d_model": d_model, "d_kv": 64, "d_ff": d_ff,
            "num_layers": layers, "num_heads": heads
        }),
    };
    let flan = |repository, d_model, d_ff, layers, heads| {
        let mut known = t5(repository, d_model, d_ff, layers, heads);
        known.config["feed_forward_proj"] = json!("gated-gelu");
        known.config["tie_word_embeddings"] = json!(false);
        known
    };
    let llama = |repository, hidden, inner, layers, heads, vocabulary| Known {
        repository,
        config: json!({
            "model_type": "llama", "vocab_size": vocabulary, "hidden_size": hidden,
            "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": heads
        }),
    };
    Some(match name.as_str() {
        "t5-small" => t5("google-t5/t5-small", 512, 2048, 6, 8),
        "t5-base" => t5("google-t5/t5-base", 768, 3072, 12, 12),
        "t5-large" => t5("google-t5/t5-large", 1024, 4096, 24, 16),
        "flan-t5-small" => flan("google/flan-t5-small", 512, 1024, 8, 6),
        "flan-t5-base" => flan("google/flan-t5-base", 768, 2048, 12, 12),
        "flan-t5-large" => flan("google/flan-t5-large", 1024, 2816, 24, 16),
        "llama-2-7b-chat-hf" => llama("meta-llama/Llama-2-7b-chat-hf", 4096, 11008, 32, 32, 32000),
        _ => return None,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use burn::module::Module;
    use burn::tensor::Device;
    use lm::{Model, Pretrained};

    use super::*;

    #[test]
    fn known_shapes_have_the_parameters_that_their_publishers_count() {
        let published = [
            ("t5-small", 60_506_624),
            ("t5-base", 222_903_552),
            ("models/T5-large", 737_668_096),
            ("flan-t5-small", 76_961_152),
            ("flan-t5-base", 247_577_856),
            ("flan-t5-large", 783_150_080),
            ("Llama-2-7b-chat-hf", 6_738_415_616),
        ];
        for (name, count) in published {
            let known = known(Path::new(name)).unwrap();
            // Built, not filled: nothing of that size is allocated.
            let model = Model::from_config(&known.config, Path::new(name), &Device::flex());
            assert_eq!(model.unwrap().num_params(), count, "{name}");
        }
        assert!(known(Path::new("my-model")).is_none());
    }
}
