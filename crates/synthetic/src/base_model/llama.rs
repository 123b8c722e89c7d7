//! A decoder-only model on the general mixture: the loss runs over whole documents.

use lm::{Example, TextTokenizer};
use serde_json::json;

use super::{BaseModelSettings, BaseModelSource, MAX_LENGTH, vocabulary_texts};
use crate::error::SyntheticError;
use crate::suite::{Document, mixture};
use crate::vocabulary::byte_level::{self, END_OF_TEXT};

/// Documents of the mixture.
pub(super) fn documents(settings: &BaseModelSettings) -> Vec<Document> {
    mixture(settings.seed, settings.documents)
}

/// Configuration and tokenizer of a model that does not exist yet.
pub(super) fn source(
    documents: &[Document],
    settings: &BaseModelSettings,
) -> Result<BaseModelSource, SyntheticError> {
    let tokenizer = byte_level::train(vocabulary_texts(documents), settings.vocabulary)?;
    let vocabulary_size = tokenizer.get_vocab_size(true);
    let config = json!({
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocabulary_size,
        "hidden_size": settings.hidden,
        "intermediate_size": settings.hidden * 3,
        "num_hidden_layers": settings.layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": settings.hidden / 4,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": false,
        "mlp_bias": false,
        "tie_word_embeddings": true,
        "bos_token_id": 0,
        "eos_token_id": 0,
        "pad_token_id": 0,
        "torch_dtype": "float32"
    });
    let generation = json!({"eos_token_id": 0, "pad_token_id": 0});
    Ok(BaseModelSource::new(
        config,
        generation,
        tokenizer,
        [END_OF_TEXT; 2],
    ))
}

/// Prompt and answer are tokenized apart, as those of tasks are.
pub(super) fn rows(
    documents: &[Document],
    tokenizer: &TextTokenizer,
) -> Result<Vec<Example>, SyntheticError> {
    documents
        .iter()
        .map(|document| {
            let row = tokenizer.example(&document.prompt, &document.answer, MAX_LENGTH)?;
            Ok(Example::new(Vec::new(), [row.prompt, row.answer].concat()))
        })
        .collect()
}
