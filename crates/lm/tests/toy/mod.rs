//! A family that the crate does not have: a decoder with LLaMA's blocks, in folders of its own format.

use std::path::Path;
use std::sync::LazyLock;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use lm::llama::LlamaShape;
use lm::{
    Backpropagation, Decoder, Example, Family, FolderFormat, Framing, GenerationOptions,
    GradientSink, LanguageModel, LinearMap, LmError, Observer, Pretrained, Size, TokenLosses,
    parse_config,
};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Module, Debug)]
pub struct Toy {
    decoder: Decoder,
}

/// Keys of its `config.json`.
#[derive(Deserialize)]
struct Config {
    width: usize,
    vocab_size: usize,
    #[serde(default = "tied")]
    tie_word_embeddings: bool,
}

fn tied() -> bool {
    true
}

impl Family for Toy {
    const FORMAT: FolderFormat = FolderFormat {
        model_types: &["toy", "toy-2"],
        prefix: "toy.",
        embeddings: &["decoder.embed_tokens.weight", "decoder.wte.weight"],
        head: "decoder.lm_head.weight",
        ties_by_default: true,
        may_untie: |config| config["head_apart"] == true,
        before_retying: |config, tied| config["was_tied"] = Value::from(tied),
        is_leftover: |tensor| tensor.ends_with(".steps"),
        ignored_keys: |config| match config["dropout"].as_f64() {
            Some(share) => vec![format!("dropout = {share} is ignored")],
            None => Vec::new(),
        },
        default_end_token: Some(2),
        framing: Framing::TextToText,
        sizes,
        pass_numbers: |_| None,
    };

    fn build(config: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        let config: Config = parse_config(config, path)?;
        let shape = LlamaShape {
            hidden: config.width,
            inner: 2 * config.width,
            layers: 2,
            heads: 2,
            key_heads: 1,
            vocabulary: config.vocab_size,
            tied: config.tie_word_embeddings,
        };
        Ok(Self {
            decoder: Decoder::from_config(&shape.config(), path, device)?,
        })
    }
}

fn sizes() -> &'static [Size] {
    static SIZES: LazyLock<[Size; 1]> = LazyLock::new(|| {
        [Size {
            name: "toy-8",
            repository: "toys/toy-8",
            config: json!({"model_type": "toy", "width": 8, "vocab_size": 264}),
            parameters: None,
        }]
    });
    SIZES.as_slice()
}

impl LanguageModel for Toy {
    fn target_count(&self, example: &Example) -> usize {
        self.decoder.target_count(example)
    }

    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize) {
        self.decoder.answer_loss(examples)
    }

    fn answer_log_probabilities_mapped(
        &self,
        examples: &[Example],
        map: &dyn LinearMap,
    ) -> Tensor<2> {
        self.decoder.answer_log_probabilities_mapped(examples, map)
    }

    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64 {
        self.decoder.answer_gradients(examples, how, sink)
    }

    fn observe(&self, examples: &[Example], observer: &mut dyn Observer) {
        self.decoder.observe(examples, observer);
    }

    fn generate_behind(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        options: &GenerationOptions,
        ended: &mut dyn FnMut(usize, &[u32]) -> bool,
    ) -> Vec<Vec<u32>> {
        self.decoder
            .generate_behind(prefix, prompts, options, ended)
    }

    fn token_losses(&self, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
        self.decoder.token_losses(prefix, rows)
    }

    fn own_examples(&self, first: &[u32], tokens: usize, ends: &[u32], seed: u64) -> Vec<Example> {
        self.decoder.own_examples(first, tokens, ends, seed)
    }
}
