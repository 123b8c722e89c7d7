//! The network: embeddings, blocks, norm and output head.

use burn::module::{Initializer, Module};
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig, RmsNorm};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};

use super::batch::{Batch, joined, targets};
use super::block::Block;
use super::layout::Layout;
use super::norm::new_norm;
use super::parts::{DecoderParts, LayerParts, NormWeight};
use super::tables::Tables;
use crate::generate::GenerationOptions;
use crate::layers::{LayerCache, LinearApplier, LinearMap, Observer, padded};
use crate::model::{LanguageModel, TokenLosses};
use crate::ops;
use crate::text::Example;
use crate::training::{
    Backpropagation, BackwardPass, GradientSink, Head, HeadProduct, Targets, trains,
};

/// A decoder-only language model of any of the families that are described for it.
#[derive(Module, Debug)]
pub struct Decoder {
    pub(super) embed_tokens: Embedding,
    pub(super) layers: Vec<Block>,
    pub(super) norm: RmsNorm,
    /// `None` if the output head is tied to the embeddings.
    lm_head: Option<Linear>,
    #[module(skip)]
    pub(super) parts: DecoderParts,
}

impl Decoder {
    /// A model of this description, which was checked, with random weights drawn from the device's random stream.
    pub(crate) fn new(parts: DecoderParts, device: &Device) -> Self {
        let embed_tokens = EmbeddingConfig::new(parts.vocabulary, parts.hidden)
            .with_initializer(Initializer::Normal {
                mean: 0.0,
                std: 0.02,
            })
            .init(device);
        let lm_head = (!parts.tied).then(|| {
            LinearConfig::new(parts.hidden, parts.vocabulary)
                .with_bias(false)
                .init(device)
        });
        Self {
            embed_tokens,
            layers: (parts.layers.iter())
                .map(|_| Block::new(&parts, device))
                .collect(),
            norm: new_norm(parts.hidden, &parts.norm, device),
            lm_head,
            parts,
        }
    }

    /// What the model is made of.
    pub fn parts(&self) -> &DecoderParts {
        &self.parts
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
            self.parts.vocabulary,
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
        self.embed(padded(rows, 0, &self.device()))
    }

    /// # Shapes
    /// - `ids`: `[batch, tokens]`
    /// - output: `[batch, tokens, hidden]`
    fn embed(&self, ids: Tensor<2, Int>) -> Tensor<3> {
        let x = self.embed_tokens.forward(ids);
        match self.parts.multipliers.embeddings {
            1.0 => x,
            factor => x * factor,
        }
    }

    /// The device of the parameters, with the autodiff settings that inputs must share.
    fn device(&self) -> Device {
        self.embed_tokens.weight.val().device()
    }

    pub(super) fn tables(&self, layout: &Layout) -> Tables {
        Tables::new(&self.parts, layout, &self.device())
    }

    /// The blocks with what is special about each.
    pub(super) fn blocks(&self) -> impl Iterator<Item = (&LayerParts, &Block)> {
        self.parts.layers.iter().zip(&self.layers)
    }

    /// A cache for every block, which holds nothing.
    pub(super) fn empty_cache(&self) -> Vec<LayerCache> {
        vec![LayerCache::default(); self.layers.len()]
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
        self.hidden_of(self.embed(ids), layout, cache, applier)
    }

    fn hidden_of(
        &self,
        mut x: Tensor<3>,
        layout: &Layout,
        mut cache: Option<&mut Vec<LayerCache>>,
        applier: &mut LinearApplier<'_>,
    ) -> Tensor<3> {
        let tables = self.tables(layout);
        for (index, (layer, block)) in self.blocks().enumerate() {
            let cache = cache.as_mut().map(|layers| &mut layers[index]);
            x = tables.apply(layer, block, x, cache, applier);
        }
        self.final_norm(x)
    }

    /// # Shapes
    /// - `x` and output: `[batch, tokens, hidden]`
    pub(super) fn final_norm(&self, x: Tensor<3>) -> Tensor<3> {
        match self.parts.norm.weight {
            NormWeight::Plain => self.norm.forward(x),
            NormWeight::OnePlus => ops::rms_norm_one_plus(&self.norm, x),
        }
    }

    /// The output head, with the scale of the loss.
    pub(super) fn scaled_head<'a>(
        &self,
        apply: &'a dyn Fn(Tensor<2>) -> Tensor<2>,
        scale: f64,
    ) -> Head<'a> {
        Head {
            apply,
            vocabulary: self.parts.vocabulary,
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
        let dtype = hidden.dtype();
        self.divided(ops::linear(hidden, self.head_weight(), dtype))
    }

    /// # Shapes
    /// - output: `[hidden, vocabulary]`
    fn head_weight(&self) -> Tensor<2> {
        match &self.lm_head {
            Some(head) => head.weight.val(),
            None => self.embed_tokens.weight.val().transpose(),
        }
    }

    /// Logits out of the head's products.
    ///
    /// # Shapes
    /// - `products` and output: `[n, vocabulary]`
    fn divided(&self, products: Tensor<2>) -> Tensor<2> {
        match self.parts.multipliers.logits_divisor {
            1.0 => products,
            divisor => products / divisor,
        }
    }
}

impl LanguageModel for Decoder {
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

    fn answer_log_probabilities_mapped(
        &self,
        examples: &[Example],
        map: &dyn LinearMap,
    ) -> Tensor<2> {
        let hidden = self.hidden_right_padded(&joined(examples), &mut LinearApplier::mapped(map));
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
        let weight = || self.head_weight();
        let product = HeadProduct::new(&weight, how.precision);
        let apply = |hidden| self.divided(product.logits(hidden));
        let head = self.scaled_head(&apply, how.scale);
        if how.activation_checkpointing {
            return self.gradients_by_block(&batch, &head, how, backward);
        }
        let x = self.embed_right_padded(&batch.rows);
        let mut applier = LinearApplier::mapped(how.map).with_precision(how.precision);
        let hidden = self.hidden_of(x, &batch.layout, None, &mut applier);
        backward.whole(hidden, &batch.targets, &head)
    }

    fn generate_behind(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        options: &GenerationOptions,
        ended: &mut dyn FnMut(usize, &[u32]) -> bool,
    ) -> Vec<Vec<u32>> {
        super::decode::generate(self, prefix, prompts, options, ended)
    }

    fn token_losses(&self, prefix: &[u32], rows: &[Vec<u32>]) -> TokenLosses {
        super::prefix::token_losses(self, prefix, rows)
    }

    fn continuation_losses(
        &self,
        prefix: &[u32],
        prompts: &[Vec<u32>],
        continuations: &[Vec<u32>],
    ) -> Vec<Vec<Vec<f32>>> {
        super::continuations::continuation_losses(self, prefix, prompts, continuations)
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
