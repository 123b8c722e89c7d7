//! A model of whichever family its folder holds.

use std::path::Path;

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor,
};
use burn::tensor::{Device, Tensor};
use serde_json::Value;

use crate::{
    Backpropagation, Example, GenerationOptions, GradientSink, LanguageModel, Llama, LlamaConfig,
    LmError, Observer, T5, T5Config,
};

/// Kinds of models that share an implementation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Llama,
    T5,
}

impl Family {
    /// The family of a `model_type` of `config.json`.
    pub(crate) fn of(model_type: &str) -> Option<Self> {
        match model_type {
            "llama" | "mistral" => Some(Self::Llama),
            "t5" => Some(Self::T5),
            _ => None,
        }
    }

    /// The family of the parsed `config.json` at `path`.
    ///
    /// # Errors
    ///
    /// [`LmError::Unsupported`] if it is none that is implemented.
    pub(crate) fn of_config(json: &Value, path: &Path) -> Result<Self, LmError> {
        let found = &json["model_type"];
        let family = found.as_str().and_then(Self::of);
        family.ok_or_else(|| LmError::Unsupported {
            path: path.to_path_buf(),
            field: "model_type",
            found: found.to_string(),
            supported: "llama, mistral, t5",
        })
    }

    /// The names under which files may hold the one tensor of the embeddings, the usual one first.
    pub(crate) fn embeddings(self) -> &'static [&'static str] {
        match self {
            Self::Llama => &["embed_tokens.weight"],
            Self::T5 => &[
                "shared.weight",
                "encoder.embed_tokens.weight",
                "decoder.embed_tokens.weight",
            ],
        }
    }

    /// Whether the output head is the embeddings where `config.json` does not say it.
    pub(crate) fn ties_by_default(self) -> bool {
        match self {
            Self::Llama => false,
            Self::T5 => true,
        }
    }

    /// What is in front of the names of the tensors of a folder, but for the output head's.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Llama => "model.",
            Self::T5 => "",
        }
    }

    /// The token that ends a text where no file names one: the default of the classes in transformers.
    pub(crate) fn default_end_token(self) -> u32 {
        match self {
            Self::Llama => 2,
            Self::T5 => 1,
        }
    }

    /// Whether a tensor is one that other tools store, and ignore, too.
    pub(crate) fn is_known_leftover(self, tensor: &str) -> bool {
        match self {
            // Rotary frequencies, which are computed from the configuration.
            Self::Llama => tensor.ends_with("rotary_emb.inv_freq"),
            // A table of the original code, which attention to the encoder does not use.
            Self::T5 => {
                tensor.starts_with("decoder.")
                    && tensor.ends_with("EncDecAttention.relative_attention_bias.weight")
            }
        }
    }

    /// Warnings about keys of a `config.json` that transformers ignores too, although their names promise
    /// an effect.
    pub(crate) fn ignored(self, config: &Value) -> Vec<String> {
        match self {
            Self::Llama => crate::llama::ignored(config),
            Self::T5 => Vec::new(),
        }
    }
}

/// A model that can be built from a `config.json` and filled with weights.
pub trait Pretrained: LanguageModel {
    /// A model of the shape that the parsed `config.json` at `path` describes, with random weights.
    ///
    /// # Errors
    ///
    /// [`LmError::Json`], [`LmError::Unsupported`], [`LmError::InvalidConfig`].
    fn from_config(json: &Value, path: &Path, device: &Device) -> Result<Self, LmError>;
}

impl Pretrained for Llama {
    fn from_config(json: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        Ok(Self::new(&LlamaConfig::from_json(json, path)?, device))
    }
}

impl Pretrained for T5 {
    fn from_config(json: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        Ok(Self::new(&T5Config::from_json(json, path)?, device))
    }
}

/// A language model of any family that is implemented; `config.json` decides which.
///
/// Its parameters have the paths of the model within: the family adds no level to them.
#[derive(Clone, Debug)]
pub enum Model {
    /// A decoder-only model.
    Llama(Llama),
    /// An encoder-decoder.
    T5(T5),
}

/// The same expression for the model within, whatever its family.
macro_rules! within {
    ($model:expr, $inner:ident => $result:expr) => {
        match $model {
            Model::Llama($inner) => $result,
            Model::T5($inner) => $result,
        }
    };
}

/// The same conversion of the model within.
macro_rules! converted {
    ($model:expr, $inner:ident => $result:expr) => {
        match $model {
            Model::Llama($inner) => Model::Llama($result),
            Model::T5($inner) => Model::T5($result),
        }
    };
}

impl Pretrained for Model {
    fn from_config(json: &Value, path: &Path, device: &Device) -> Result<Self, LmError> {
        match Family::of_config(json, path)? {
            Family::Llama => Llama::from_config(json, path, device).map(Self::Llama),
            Family::T5 => T5::from_config(json, path, device).map(Self::T5),
        }
    }
}

impl LanguageModel for Model {
    fn target_count(&self, example: &Example) -> usize {
        within!(self, model => model.target_count(example))
    }

    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize) {
        within!(self, model => model.answer_loss(examples))
    }

    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64 {
        within!(self, model => model.answer_gradients(examples, how, sink))
    }

    fn observe(&self, examples: &[Example], observer: &mut dyn Observer) {
        within!(self, model => model.observe(examples, observer));
    }

    fn generate(&self, prompts: &[Vec<u32>], options: &GenerationOptions) -> Vec<Vec<u32>> {
        within!(self, model => model.generate(prompts, options))
    }

    fn own_examples(&self, first: &[u32], tokens: usize, ends: &[u32], seed: u64) -> Vec<Example> {
        within!(self, model => model.own_examples(first, tokens, ends, seed))
    }
}

// By hand: the derived implementation would put the family's name in front of every path.
impl Module for Model {
    fn collect_devices(&self, devices: Devices) -> Devices {
        within!(self, model => model.collect_devices(devices))
    }

    fn fork(self, device: &Device) -> Self {
        converted!(self, model => model.fork(device))
    }

    fn to_device(self, device: &Device) -> Self {
        converted!(self, model => model.to_device(device))
    }

    fn visit<Visitor: ModuleVisitor>(&self, visitor: &mut Visitor) {
        within!(self, model => model.visit(visitor));
    }

    fn map<Mapper: ModuleMapper>(self, mapper: &mut Mapper) -> Self {
        converted!(self, model => model.map(mapper))
    }

    fn valid(&self) -> Self {
        converted!(self, model => model.valid())
    }

    fn train(self) -> Self {
        converted!(self, model => model.train())
    }

    fn materialize(self) -> Self {
        converted!(self, model => model.materialize())
    }
}

impl ModuleDisplayDefault for Model {
    fn content(&self, content: Content) -> Option<Content> {
        within!(self, model => ModuleDisplayDefault::content(model, content))
    }
}

impl ModuleDisplay for Model {}
