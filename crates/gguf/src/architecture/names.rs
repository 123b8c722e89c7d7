//! Names of tensors: llama.cpp's, and those of transformers.

/// Tensors outside of the layers.
const GLOBAL: [(&str, &str); 3] = [
    ("token_embd", "model.embed_tokens"),
    ("output_norm", "model.norm"),
    ("output", "lm_head"),
];

/// Names inside a layer, in groups; `.weight` or `.bias` follows each.
pub(super) type LayerNames = &'static [&'static [(&'static str, &'static str)]];

/// Projections of attention and of the feed-forward part.
pub(super) const PROJECTIONS: &[(&str, &str)] = &[
    ("attn_q", "self_attn.q_proj"),
    ("attn_k", "self_attn.k_proj"),
    ("attn_v", "self_attn.v_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_gate", "mlp.gate_proj"),
    ("ffn_up", "mlp.up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Projections of an architecture that has queries, keys and values in one tensor, and gate and up projection too.
pub(super) const FUSED_PROJECTIONS: &[(&str, &str)] = &[
    ("attn_qkv", "self_attn.qkv_proj"),
    ("attn_output", "self_attn.o_proj"),
    ("ffn_up", "mlp.gate_up_proj"),
    ("ffn_down", "mlp.down_proj"),
];

/// Norms in front of attention and of the feed-forward part.
pub(super) const NORMS_BEFORE: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "post_attention_layernorm"),
];

/// Norms behind both.
pub(super) const NORMS_BEHIND: &[(&str, &str)] = &[
    ("post_attention_norm", "post_attention_layernorm"),
    ("post_ffw_norm", "post_feedforward_layernorm"),
];

/// Norms in front of both, of an architecture that has norms behind them too.
pub(super) const NORMS_BEFORE_OF_FOUR: &[(&str, &str)] = &[
    ("attn_norm", "input_layernorm"),
    ("ffn_norm", "pre_feedforward_layernorm"),
];

/// Norms of queries and keys.
pub(super) const NORMS_OF_HEADS: &[(&str, &str)] = &[
    ("attn_q_norm", "self_attn.q_norm"),
    ("attn_k_norm", "self_attn.k_norm"),
];

/// The name in transformers of the tensor of layer `index` called `part` in llama.cpp; `None` if layers have none.
pub(super) fn in_layer(names: LayerNames, index: u64, part: &str) -> Option<String> {
    let (stem, kind) = parts(part)?;
    let mut all = names.iter().flat_map(|group| group.iter());
    let (_, name) = all.find(|(name, _)| *name == stem)?;
    Some(format!("model.layers.{index}.{name}.{kind}"))
}

/// The name in transformers of a tensor outside of the layers; `None` if there is none.
pub(super) fn outside(name: &str) -> Option<String> {
    let (stem, kind) = parts(name)?;
    let (_, name) = GLOBAL.iter().find(|(name, _)| *name == stem)?;
    Some(format!("{name}.{kind}"))
}

/// What a tensor belongs to, and whether it is its weight or its bias.
fn parts(name: &str) -> Option<(&str, &str)> {
    let parts = name.rsplit_once('.')?;
    ["weight", "bias"].contains(&parts.1).then_some(parts)
}
