//! The network: shared embeddings, encoder, decoder and output head.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig, Linear};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Tensor};

use super::T5Config;
use super::attention::Memory;
use super::feed_forward::linear;
use super::rows::{Rows, padding_of, targets};
use super::stack::{Decoder, Encoder};
use crate::generate::GenerationOptions;
use crate::layers::{Branches, LayerCache, LinearApplier, LinearMap, Observer, padded};
use crate::model::{LanguageModel, TokenLosses};
use crate::ops;
use crate::text::Example;
use crate::training::{Backpropagation, BackwardPass, GradientSink, Head, HeadProduct, trains};

/// A T5 encoder-decoder model: encodes a prompt and decodes an answer.
#[derive(Module, Debug)]
pub struct T5 {
    pub(super) shared: Embedding,
    pub(super) encoder: Encoder,
    pub(super) decoder: Decoder,
    /// `None` if the output head is tied to the embeddings.
    lm_head: Option<Linear>,
    #[module(skip)]
    pub(super) config: T5Config,
}

/// A batch of encoded prompts, as the decoder reads it.
pub(super) struct Encoded {
    memories: Vec<Memory>,
    /// Masks the prompts' padding.
    mask: Option<Tensor<4>>,
}

impl T5 {
    /// A model of this shape with random weights, drawn from the device's random stream.
    pub fn new(config: &T5Config, device: &Device) -> Self {
        let shared = EmbeddingConfig::new(config.vocab_size, config.d_model)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: 1.0,
            })
            .init(device);
        let head = || linear(config.d_model, config.vocab_size, 1.0, device);
        Self {
            shared,
            encoder: Encoder::new(config, device),
            decoder: Decoder::new(config, device),
            lm_head: (!config.tie_word_embeddings).then(head),
            config: config.clone(),
        }
    }

    /// The model's hyperparameters.
    pub fn config(&self) -> &T5Config {
        &self.config
    }

    /// Logits of the next token at every position of the decoder's rows.
    ///
    /// # Shapes
    /// - `prompts`, `answers`: token ids, one answer per prompt, each beginning with the start token; shorter
    ///   rows are padded on the right
    /// - output: `[batch, longest answer, vocabulary]`
    pub fn logits(&self, prompts: &[Vec<u32>], answers: &[Vec<u32>]) -> Tensor<3> {
        let mut applier = LinearApplier::default();
        let encoded = self.encode(prompts, &mut applier);
        let hidden = self.decode(answers, 0, &encoded, None, &mut applier);
        let [batch, tokens, width] = hidden.dims();
        self.head(hidden.reshape([batch * tokens, width])).reshape([
            batch,
            tokens,
            self.config.vocab_size,
        ])
    }

    /// Final hidden states of the encoder.
    ///
    /// # Shapes
    /// - `prompts`: token ids; shorter rows are padded on the right
    /// - output: `[batch, longest prompt, d_model]`
    pub fn encoder_states(&self, prompts: &[Vec<u32>]) -> Tensor<3> {
        self.encoder_states_and_mask(prompts, &mut LinearApplier::default())
            .0
    }

    fn encoder_states_and_mask(
        &self,
        prompts: &[Vec<u32>],
        applier: &mut LinearApplier<'_>,
    ) -> (Tensor<3>, Option<Tensor<4>>) {
        let x = self.embed(prompts);
        let mask = padding_of(prompts, &x.device());
        (self.encoder.forward(x, mask.as_ref(), applier), mask)
    }

    /// Encodes prompts.
    pub(super) fn encode(&self, prompts: &[Vec<u32>], applier: &mut LinearApplier<'_>) -> Encoded {
        let (states, mask) = self.encoder_states_and_mask(prompts, applier);
        Encoded {
            memories: self.decoder.memories(states, applier),
            mask,
        }
    }

    /// Hidden states of the decoder for tokens after `past` cached ones.
    ///
    /// # Shapes
    /// - output: `[batch, tokens, d_model]`
    pub(super) fn decode(
        &self,
        rows: &[Vec<u32>],
        past: usize,
        encoded: &Encoded,
        cache: Option<&mut Vec<LayerCache>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let Encoded { memories, mask } = encoded;
        let x = self.embed(rows);
        self.decoder
            .forward(x, past, memories, mask.as_ref(), cache, applier)
    }

    /// Hidden states of the decoder for the same row behind every prompt, some of whose tokens are branches.
    ///
    /// # Shapes
    /// - output: `[batch, tokens, d_model]`
    pub(super) fn decode_branching(
        &self,
        rows: &[Vec<u32>],
        branches: &Branches,
        encoded: &Encoded,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let Encoded { memories, mask } = encoded;
        let x = self.embed(rows);
        self.decoder
            .forward_branching(x, branches, memories, mask.as_ref(), applier)
    }

    /// The output head, with the scale of the loss.
    pub(super) fn scaled_head<'a>(
        &self,
        apply: &'a dyn Fn(Tensor<2>) -> Tensor<2>,
        scale: f64,
    ) -> Head<'a> {
        Head {
            apply,
            vocabulary: self.config.vocab_size,
            trains: match &self.lm_head {
                Some(head) => trains(head),
                None => trains(&self.shared),
            },
            scale,
        }
    }

    /// # Shapes
    /// - `hidden`: `[n, d_model]`
    /// - output: `[n, vocabulary]`
    pub(super) fn head(&self, hidden: Tensor<2>) -> Tensor<2> {
        let dtype = hidden.dtype();
        ops::linear(self.scaled(hidden), self.head_weight(), dtype)
    }

    /// # Shapes
    /// - output: `[d_model, vocabulary]`
    fn head_weight(&self) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => head.weight.val(),
            None => self.shared.weight.val().transpose(),
        }
    }

    /// Hidden states as the head reads them.
    ///
    /// # Shapes
    /// - `hidden` and output: `[n, d_model]`
    fn scaled(&self, hidden: Tensor<2>) -> Tensor<2> {
        match self.config.scales_decoder_outputs() {
            true => hidden * (self.config.d_model as f64).powf(-0.5),
            false => hidden,
        }
    }

    /// # Shapes
    /// - output: `[batch, longest row, d_model]`
    pub(super) fn embed(&self, rows: &[Vec<u32>]) -> Tensor<3> {
        let ids = padded(rows, self.config.pad_token_id, &self.device());
        self.shared.forward(ids)
    }

    /// The device of the parameters, with the autodiff settings that inputs must share.
    pub(super) fn device(&self) -> Device {
        self.shared.weight.val().device()
    }

    /// A prompt for the encoder: an empty prompt becomes the end token.
    pub(super) fn nonempty(&self, prompt: &[u32]) -> Vec<u32> {
        match prompt {
            [] => vec![self.config.end_token()],
            prompt => prompt.to_vec(),
        }
    }

    /// Hidden states of the decoder for the answers.
    fn answer_states(&self, rows: &Rows, applier: &mut LinearApplier<'_>) -> Tensor<3> {
        let encoded = self.encode(&rows.prompts, applier);
        self.decode(&rows.answers, 0, &encoded, None, applier)
    }

    /// Examples as encoder rows and decoder rows. The decoder reads each answer shifted right by one.
    fn rows(&self, examples: &[Example]) -> Rows {
        let start = self.config.start_token();
        let shifted = |example: &Example| match example.answer.split_last() {
            Some((_, before)) => [&[start], before].concat(),
            None => vec![start],
        };
        Rows {
            prompts: examples.iter().map(|e| self.nonempty(&e.prompt)).collect(),
            answers: examples.iter().map(shifted).collect(),
        }
    }
}

impl LanguageModel for T5 {
    fn target_count(&self, example: &Example) -> usize {
        example.counted().count()
    }

    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize) {
        let targets = targets(examples);
        let hidden = self.answer_states(&self.rows(examples), &mut LinearApplier::default());
        let apply = |hidden| self.head(hidden);
        let head = self.scaled_head(&apply, 1.0);
        (
            head.loss(&targets.select(hidden), &targets),
            targets.0.len(),
        )
    }

    fn answer_log_probabilities_mapped(
        &self,
        examples: &[Example],
        map: &dyn LinearMap,
    ) -> Tensor<2> {
        let hidden = self.answer_states(&self.rows(examples), &mut LinearApplier::mapped(map));
        log_softmax(self.head(targets(examples).select(hidden)), 1)
    }

    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64 {
        let targets = targets(examples);
        let rows = self.rows(examples);
        let backward = BackwardPass::new(self, self.device(), sink);
        let weight = || self.head_weight();
        let product = HeadProduct::new(&weight, how.precision);
        let apply = |hidden| product.logits(self.scaled(hidden));
        let head = self.scaled_head(&apply, how.scale);
        if how.activation_checkpointing {
            return self.gradients_by_block(&rows, &targets, &head, how, backward);
        }
        let mut applier = LinearApplier::mapped(how.map).with_precision(how.precision);
        let hidden = self.answer_states(&rows, &mut applier);
        backward.whole(hidden, &targets, &head)
    }

    fn observe(&self, examples: &[Example], observer: &mut dyn Observer) {
        // Without autodiff, since there is no backward pass.
        let model = self.valid();
        let device = model.shared.weight.val().device();
        let Rows { prompts, answers } = model.rows(examples);
        if prompts.is_empty() {
            return;
        }
        let lengths: Vec<usize> = prompts.iter().map(Vec::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut applier = LinearApplier::observed(observer, &lengths, longest, &device);
        let encoded = model.encode(&prompts, &mut applier);
        // Without answers, the decoder sees no token that could be measured.
        if examples.iter().all(|example| example.answer.is_empty()) {
            return;
        }
        let lengths: Vec<usize> = examples.iter().map(|e| e.answer.len()).collect();
        let tokens = answers.iter().map(Vec::len).max().unwrap_or(0);
        let mut applier = LinearApplier::observed(observer, &lengths, tokens, &device);
        model.decode(&answers, 0, &encoded, None, &mut applier);
    }

    fn generate_behind(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        options: &GenerationOptions,
        ended: &mut dyn FnMut(usize, &[u32]) -> bool,
    ) -> Vec<Vec<u32>> {
        // The encoder reads every prompt as a whole: what follows the prefix changes what it makes of the prefix.
        let whole = |prompt: &Vec<u32>| [prefix, prompt].concat();
        let prompts: Vec<Vec<u32>> = prompts.iter().map(whole).collect();
        super::decode::generate(self, &prompts, options, ended)
    }

    fn token_losses(&self, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
        super::decode::token_losses(self, prefix, rows)
    }

    fn continuation_losses(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        continuations: &[Vec<u32>],
    ) -> Vec<Vec<Vec<f32>>> {
        super::decode::continuation_losses(self, prefix, prompts, continuations)
    }

    fn own_examples(&self, first: &[u32], tokens: usize, ends: &[u32], seed: u64) -> Vec<Example> {
        super::decode::own_examples(self, first, tokens, ends, seed)
    }

    fn continued_examples(
        &self,
        beginnings: &[Vec<u32>],
        tokens: usize,
        ends: &[u32],
        seed: u64,
    ) -> Vec<Example> {
        super::decode::continued_examples(self, beginnings, tokens, ends, seed)
    }
}
