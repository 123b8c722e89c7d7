//! The network: embeddings, blocks, norm and output head.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, RmsNorm, RmsNormConfig};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::LlamaConfig;
use super::block::Block;
use super::layout::{Layout, Visible};
use super::rope::Rope;
use crate::generate::GenerationOptions;
use crate::layers::{LayerCache, LinearApplier, Observer, padded};
use crate::model::LanguageModel;
use crate::ops;
use crate::text::Example;
use crate::training::{Backpropagation, BackwardPass, GradientSink, Head, Targets, trains};

/// A LLaMA-family causal language model.
#[derive(Module, Debug)]
pub struct Llama {
    pub(super) embed_tokens: Embedding,
    pub(super) layers: Vec<Block>,
    pub(super) norm: RmsNorm,
    /// `None` if the output head is tied to the embeddings.
    lm_head: Option<Linear>,
    #[module(skip)]
    pub(super) config: LlamaConfig,
}

/// Rotary tables and what sees what, which all blocks of one forward pass share.
pub(super) struct Tables {
    rope: Rope,
    visible: Visible,
}

impl Tables {
    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    pub(super) fn apply(
        &self,
        block: &Block,
        x: Tensor<3>,
        cache: Option<&mut LayerCache>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        block.forward(x, &self.rope, &self.visible, cache, applier)
    }
}

impl Llama {
    /// A model of this shape with random weights, drawn from the device's random stream.
    pub fn new(config: &LlamaConfig, device: &Device) -> Self {
        let embed_tokens = EmbeddingConfig::new(config.vocab_size, config.hidden_size)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            })
            .init(device);
        let lm_head = (!config.tie_word_embeddings).then(|| {
            LinearConfig::new(config.hidden_size, config.vocab_size)
                .with_bias(false)
                .init(device)
        });
        Self {
            embed_tokens,
            layers: (0..config.num_hidden_layers)
                .map(|_| Block::new(config, device))
                .collect(),
            norm: RmsNormConfig::new(config.hidden_size)
                .with_epsilon(config.rms_norm_eps)
                .init(device),
            lm_head,
            config: config.clone(),
        }
    }

    /// The model's hyperparameters.
    pub fn config(&self) -> &LlamaConfig {
        &self.config
    }

    /// Logits of the next token at every position of rows that are padded on the right.
    ///
    /// # Shapes
    /// - `rows`: token ids; shorter rows are padded with token 0
    /// - output: `[batch, longest row, vocabulary]`
    pub fn logits(&self, rows: &[Vec<u32>]) -> Tensor<3> {
        let hidden = self.hidden_right_padded(rows, &mut LinearApplier::default());
        let [batch, tokens, width] = hidden.dims();
        self.head(hidden.reshape([batch * tokens, width])).reshape([
            batch,
            tokens,
            self.config.vocab_size,
        ])
    }

    /// Summed negative log-likelihood, in nats, of the target tokens, in rows that are padded on the right.
    ///
    /// `targets` contains `(row, position, token)`: the logits at `position` should predict `token`. Only
    /// these positions go through the output head.
    ///
    /// # Shapes
    /// - output: `[1]`
    pub fn loss_at(&self, rows: &[Vec<u32>], targets: &[(usize, usize, u32)]) -> Tensor<1> {
        self.loss_of(rows, &Targets(targets.to_vec()))
    }

    fn loss_of(&self, rows: &[Vec<u32>], targets: &Targets) -> Tensor<1> {
        let hidden = self.hidden_right_padded(rows, &mut LinearApplier::default());
        let apply = |hidden| self.head(hidden);
        let head = self.scaled_head(&apply, 1.0);
        head.loss(&targets.select(hidden), targets)
    }

    pub(super) fn hidden_right_padded(
        &self,
        rows: &[Vec<u32>],
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let x = self.embed_right_padded(rows);
        let layout = Layout::right_padded(x.dims()[1]);
        self.hidden_of(x, &layout, None, applier)
    }

    /// # Shapes
    /// - output: `[batch, longest row, hidden]`
    pub(super) fn embed_right_padded(&self, rows: &[Vec<u32>]) -> Tensor<3> {
        self.embed_tokens.forward(padded(rows, 0, &self.device()))
    }

    /// The device of the parameters, with the autodiff settings that inputs must share.
    fn device(&self) -> Device {
        self.embed_tokens.weight.val().device()
    }

    pub(super) fn tables(&self, layout: &Layout) -> Tables {
        let device = self.device();
        let groups = self.config.num_attention_heads / self.config.key_value_heads();
        Tables {
            rope: Rope::new(&self.config, &layout.positions(), &device),
            visible: layout.visible(self.config.sliding_window, groups, &device),
        }
    }

    /// Final hidden states of `ids`, which contains row after row, each with the layout's number of tokens.
    ///
    /// # Shapes
    /// - output: `[batch, tokens, hidden]`
    pub(super) fn hidden(
        &self,
        ids: Vec<u32>,
        layout: &Layout,
        cache: Option<&mut Vec<LayerCache>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let tokens = layout.positions()[0].len();
        let batch = ids.len() / tokens.max(1);
        let ids: Vec<i32> = ids.into_iter().map(|id| id as i32).collect();
        let ids = TensorData::new(ids, [batch, tokens]);
        let ids = Tensor::<2, Int>::from_data(ids, &self.device());
        self.hidden_of(self.embed_tokens.forward(ids), layout, cache, applier)
    }

    fn hidden_of(
        &self,
        mut x: Tensor<3>,
        layout: &Layout,
        mut cache: Option<&mut Vec<LayerCache>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let tables = self.tables(layout);
        for (index, block) in self.layers.iter().enumerate() {
            let cache = cache.as_mut().map(|layers| &mut layers[index]);
            x = tables.apply(block, x, cache, applier);
        }
        self.norm.forward(x)
    }

    /// The output head, with the scale of the loss.
    fn scaled_head<'a>(&self, apply: &'a dyn Fn(Tensor<2>) -> Tensor<2>, scale: f64) -> Head<'a> {
        Head {
            apply,
            vocabulary: self.config.vocab_size,
            trains: match &self.lm_head {
                Some(head) => trains(head),
                None => trains(&self.embed_tokens),
            },
            scale,
        }
    }

    /// # Shapes
    /// - `hidden`: `[n, hidden]`
    /// - output: `[n, vocabulary]`
    pub(super) fn head(&self, hidden: Tensor<2>) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => ops::linear(hidden, head.weight.val()),
            None => ops::linear(hidden, self.embed_tokens.weight.val().transpose()),
        }
    }
}

impl LanguageModel for Llama {
    fn target_count(&self, example: &Example) -> usize {
        // Nothing precedes the first token of a row.
        let begins = example.prompt.is_empty();
        let predicted = example.counted();
        predicted
            .filter(|&(offset, _)| offset > 0 || !begins)
            .count()
    }

    fn can_pack(&self) -> bool {
        true
    }

    fn answer_loss(&self, examples: &[Example]) -> (Tensor<1>, usize) {
        let targets = targets(examples);
        (self.loss_of(&joined(examples), &targets), targets.0.len())
    }

    fn answer_log_probabilities(&self, examples: &[Example]) -> Tensor<2> {
        let hidden = self.hidden_right_padded(&joined(examples), &mut LinearApplier::default());
        log_softmax(self.head(targets(examples).select(hidden)), 1)
    }

    fn answer_gradients(
        &self,
        examples: &[Example],
        how: Backpropagation<'_>,
        sink: &mut GradientSink<'_>,
    ) -> f64 {
        let batch = match how.packing {
            true => Batch::packed(examples),
            false => Batch::padded(examples),
        };
        let backward = BackwardPass::new(self, self.device(), sink);
        let apply = |hidden| self.head(hidden);
        let head = self.scaled_head(&apply, how.scale);
        if how.activation_checkpointing {
            return self.gradients_by_block(&batch, &head, how.map, backward);
        }
        let x = self.embed_right_padded(&batch.rows);
        let mut applier = LinearApplier::mapped(how.map);
        let hidden = self.hidden_of(x, &batch.layout, None, &mut applier);
        backward.whole(hidden, &batch.targets, &head)
    }

    fn generate(&self, prompts: &[Vec<u32>], options: &GenerationOptions) -> Vec<Vec<u32>> {
        super::decode::generate(self, prompts, options)
    }

    fn own_examples(&self, first: &[u32], tokens: usize, _ends: &[u32], seed: u64) -> Vec<Example> {
        super::decode::own_examples(self, first, tokens, seed)
    }

    fn observe(&self, examples: &[Example], observer: &mut dyn Observer) {
        let rows = joined(examples);
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        if longest == 0 {
            return;
        }
        // Without autodiff, since there is no backward pass.
        let model = self.valid();
        let device = model.embed_tokens.weight.val().device();
        let mut applier = LinearApplier::observed(observer, &lengths, longest, &device);
        model.hidden_right_padded(&rows, &mut applier);
    }
}

/// The rows of a forward pass, with what they are to predict.
pub(super) struct Batch {
    pub rows: Vec<Vec<u32>>,
    pub layout: Layout,
    pub targets: Targets,
}

impl Batch {
    /// Every example is a row, padded to the longest.
    fn padded(examples: &[Example]) -> Self {
        let rows = joined(examples);
        let longest = rows.iter().map(Vec::len).max().unwrap_or(0);
        Self {
            rows,
            layout: Layout::right_padded(longest),
            targets: targets(examples),
        }
    }

    /// All examples in one row, without padding.
    fn packed(examples: &[Example]) -> Self {
        let rows = joined(examples);
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let starts: Vec<usize> = lengths
            .iter()
            .scan(0, |start, length| {
                *start += length;
                Some(*start - length)
            })
            .collect();
        let Targets(targets) = targets(examples);
        let moved = targets.into_iter();
        let moved = moved.map(|(row, position, token)| (0, starts[row] + position, token));
        Self {
            rows: vec![rows.concat()],
            layout: Layout::packed(&lengths),
            targets: Targets(moved.collect()),
        }
    }
}

/// All answer tokens that count in the loss, as targets.
fn targets(examples: &[Example]) -> Targets {
    let mut chosen = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        for (offset, token) in example.counted() {
            let place = example.prompt.len() + offset;
            if place > 0 {
                chosen.push((row, place - 1, token));
            }
        }
    }
    assert!(!chosen.is_empty(), "no example has a token to predict");
    Targets(chosen)
}

/// Rows for the model: every prompt followed by its answer.
fn joined(examples: &[Example]) -> Vec<Vec<u32>> {
    examples
        .iter()
        .map(|example| [example.prompt.as_slice(), &example.answer].concat())
        .collect()
}
