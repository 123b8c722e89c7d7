//! The sizes that every architecture has.

use super::keys::Keys;
use crate::error::GgufError;
use crate::file::Gguf;

/// Sizes of a model.
pub(super) struct Sizes {
    pub layers: u64,
    pub hidden: u64,
    pub feed_forward: u64,
    pub heads: u64,
    pub key_value_heads: u64,
    pub head_width: u64,
    pub vocabulary: u64,
    /// Most tokens of a text.
    pub context: u64,
    pub norm_epsilon: f64,
}

impl Sizes {
    /// Takes the settings that say them, and the settings without effect on numbers.
    pub(super) fn take(keys: &mut Keys<'_>, file: &Gguf) -> Result<Self, GgufError> {
        let layers = keys.size("block_count")?;
        // Every layer has tensors; what is made for each layer must not fill the memory.
        if layers > file.tensors().len() as u64 {
            let reason = format!("{layers} layers, but only {} tensors", file.tensors().len());
            return Err(keys.error("block_count", reason));
        }
        let hidden = keys.size("embedding_length")?;
        let heads = keys.size("attention.head_count")?;
        let head_width = match keys.count("attention.key_length")? {
            Some(width) => width,
            None if hidden % heads == 0 => hidden / heads,
            None => {
                let reason = format!("{heads} heads do not divide {hidden}, the embedding_length");
                return Err(keys.error("attention.head_count", reason));
            }
        };
        if head_width == 0 || head_width % 2 != 0 {
            let reason = format!("heads of width {head_width}; an even number is expected");
            return Err(keys.error("attention.key_length", reason));
        }
        let values = keys
            .count("attention.value_length")?
            .filter(|width| *width != head_width);
        if let Some(width) = values {
            let reason = format!("{width} differs from the width of keys, {head_width}");
            return Err(keys.error("attention.value_length", reason));
        }
        let norm_epsilon = keys.number("attention.layer_norm_rms_epsilon")?;
        let sizes = Self {
            layers,
            hidden,
            feed_forward: keys.size("feed_forward_length")?,
            heads,
            key_value_heads: keys.count("attention.head_count_kv")?.unwrap_or(heads),
            head_width,
            vocabulary: vocabulary(keys, file)?,
            context: keys.size("context_length")?,
            norm_epsilon: norm_epsilon
                .ok_or_else(|| keys.error("attention.layer_norm_rms_epsilon", "it is missing"))?,
        };
        refuse_other_computations(keys)?;
        if sizes.key_value_heads == 0 || heads % sizes.key_value_heads != 0 {
            let reason = format!("{} does not divide {heads} heads", sizes.key_value_heads);
            return Err(keys.error("attention.head_count_kv", reason));
        }
        Ok(sizes)
    }
}

/// Rows of the embedding.
fn vocabulary(keys: &mut Keys<'_>, file: &Gguf) -> Result<u64, GgufError> {
    const EMBEDDING: &str = "token_embd.weight";
    let refused = |reason: String| GgufError::tensor(file.path(), EMBEDDING, reason);
    let Some(embedding) = file.tensor_info(EMBEDDING) else {
        return Err(refused("it is missing".to_string()));
    };
    let &[rows, _] = embedding.shape.as_slice() else {
        let shape = &embedding.shape;
        return Err(refused(format!(
            "expected rows and columns, found the shape {shape:?}"
        )));
    };
    let rows = rows as u64;
    match keys
        .count("vocab_size")?
        .filter(|vocabulary| *vocabulary != rows)
    {
        None => Ok(rows),
        Some(other) => Err(refused(format!(
            "it has {rows} rows, but the metadata count {other} tokens"
        ))),
    }
}

fn refuse_other_computations(keys: &mut Keys<'_>) -> Result<(), GgufError> {
    for name in ["expert_count", "expert_used_count"] {
        if let Some(experts @ 1..) = keys.count(name)? {
            let found = format!("{experts} experts");
            let supported = "models without a mixture of experts";
            return Err(GgufError::unsupported(keys.path(), name, &found, supported));
        }
    }
    if keys.flag("attention.causal")? == Some(false) {
        let supported = "causal attention";
        return Err(GgufError::unsupported(
            keys.path(),
            "attention",
            "bidirectional",
            supported,
        ));
    }
    // Old files name the layout that the converter read; the one that it wrote is always the same.
    keys.text("tensor_data_layout")?;
    Ok(())
}
