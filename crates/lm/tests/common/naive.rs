//! A plain f64 implementation of the LLaMA family, on the weights of an exported file.

use std::collections::BTreeMap;

use lm::Decoder;
use safetensors::SafeTensors;
use serde_json::Value;

use super::folder;

/// Weights by their names in the file, `[out, in]` as in PyTorch.
pub struct Naive<'a> {
    config: &'a Value,
    weights: BTreeMap<String, (Vec<usize>, Vec<f64>)>,
}

impl<'a> Naive<'a> {
    /// Reads the weights of a model from the file that it is exported to.
    pub fn of(config: &'a Value, model: &Decoder) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let exported = folder(config, model, scratch.path());
        let bytes = std::fs::read(exported.path().join("model.safetensors")).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let weights = file.iter().map(|(name, view)| {
            let floats = view.data().chunks(4);
            let floats = floats.map(|b| f64::from(f32::from_le_bytes(b.try_into().unwrap())));
            (name.to_string(), (view.shape().to_vec(), floats.collect()))
        });
        Self {
            config,
            weights: weights.collect(),
        }
    }

    fn number(&self, key: &str) -> f64 {
        self.config[key].as_f64().unwrap()
    }

    fn size(&self, key: &str) -> usize {
        self.config[key].as_u64().unwrap() as usize
    }

    fn linear(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (shape, weight) = &self.weights[&format!("{name}.weight")];
        let bias = self.weights.get(&format!("{name}.bias"));
        assert_eq!(shape[1], x.len(), "{name}");
        (0..shape[0])
            .map(|o| {
                let row = &weight[o * shape[1]..(o + 1) * shape[1]];
                let product: f64 = row.iter().zip(x).map(|(a, b)| a * b).sum();
                product + bias.map_or(0.0, |(_, bias)| bias[o])
            })
            .collect()
    }

    fn norm(&self, name: &str, x: &[f64]) -> Vec<f64> {
        let (_, weight) = &self.weights[&format!("{name}.weight")];
        let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        let scale = (mean + self.number("rms_norm_eps")).sqrt();
        x.iter().zip(weight).map(|(v, w)| v / scale * w).collect()
    }

    fn frequency(&self, pair: usize) -> f64 {
        let width = self.size("head_dim") as f64;
        let theta = self.config["rope_parameters"]["rope_theta"]
            .as_f64()
            .unwrap_or_else(|| self.number("rope_theta"));
        let plain = theta.powf(-2.0 * pair as f64 / width);
        let scaling = &self.config["rope_scaling"];
        if scaling["rope_type"] != "llama3" {
            return plain;
        }
        let setting = |key: &str| scaling[key].as_f64().unwrap();
        let turns =
            setting("original_max_position_embeddings") * plain / (2.0 * std::f64::consts::PI);
        // 1 keeps the frequency, 0 divides it.
        let (low, high) = (setting("low_freq_factor"), setting("high_freq_factor"));
        let keep = ((turns - low) / (high - low)).clamp(0.0, 1.0);
        plain * (keep + (1.0 - keep) / setting("factor"))
    }

    fn rotate(&self, head: &mut [f64], position: usize) {
        let half = head.len() / 2;
        for pair in 0..half {
            let (sin, cos) = (position as f64 * self.frequency(pair)).sin_cos();
            let (a, b) = (head[pair], head[pair + half]);
            head[pair] = a * cos - b * sin;
            head[pair + half] = b * cos + a * sin;
        }
    }

    /// Logits of the next token behind every token.
    pub fn logits(&self, ids: &[u32]) -> Vec<Vec<f64>> {
        let (shape, embeddings) = &self.weights["model.embed_tokens.weight"];
        let width = shape[1];
        let row = |id: usize| embeddings[id * width..(id + 1) * width].to_vec();
        let mut states: Vec<Vec<f64>> = ids.iter().map(|&id| row(id as usize)).collect();
        for layer in 0..self.size("num_hidden_layers") {
            let name = format!("model.layers.{layer}");
            let normed: Vec<_> = states
                .iter()
                .map(|x| self.norm(&format!("{name}.input_layernorm"), x))
                .collect();
            for (x, change) in states.iter_mut().zip(self.attention(&name, &normed)) {
                x.iter_mut().zip(change).for_each(|(a, b)| *a += b);
            }
            for x in &mut states {
                let normed = self.norm(&format!("{name}.post_attention_layernorm"), x);
                let gate = self.linear(&format!("{name}.mlp.gate_proj"), &normed);
                let up = self.linear(&format!("{name}.mlp.up_proj"), &normed);
                let gated: Vec<f64> = gate
                    .iter()
                    .zip(&up)
                    .map(|(g, u)| g / (1.0 + (-g).exp()) * u)
                    .collect();
                let down = self.linear(&format!("{name}.mlp.down_proj"), &gated);
                x.iter_mut().zip(down).for_each(|(a, b)| *a += b);
            }
        }
        let head = match self.config["tie_word_embeddings"].as_bool().unwrap() {
            true => "model.embed_tokens",
            false => "lm_head",
        };
        states
            .iter()
            .map(|x| self.linear(head, &self.norm("model.norm", x)))
            .collect()
    }

    fn attention(&self, name: &str, x: &[Vec<f64>]) -> Vec<Vec<f64>> {
        let width = self.size("head_dim");
        let heads = self.size("num_attention_heads");
        let group = heads / self.size("num_key_value_heads");
        let window = self.config["sliding_window"].as_u64().unwrap_or(u64::MAX) as usize;
        let project = |which: &str, rotate: bool| -> Vec<Vec<f64>> {
            let rows = x.iter().enumerate().map(|(position, x)| {
                let mut y = self.linear(&format!("{name}.self_attn.{which}_proj"), x);
                if rotate {
                    y.chunks_mut(width)
                        .for_each(|head| self.rotate(head, position));
                }
                y
            });
            rows.collect()
        };
        let (q, k, v) = (project("q", true), project("k", true), project("v", false));
        let outputs = (0..x.len()).map(|query| {
            let mut output = Vec::new();
            for head in 0..heads {
                let part =
                    |row: &Vec<f64>, head: usize| row[head * width..(head + 1) * width].to_vec();
                let query_part = part(&q[query], head);
                let visible = (query + 1).saturating_sub(window)..query + 1;
                let scores: Vec<f64> = visible
                    .clone()
                    .map(|key| {
                        let other = part(&k[key], head / group);
                        let product: f64 = query_part.iter().zip(&other).map(|(a, b)| a * b).sum();
                        (product / (width as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                let mut context = vec![0.0; width];
                for (key, score) in visible.zip(&scores) {
                    let value = part(&v[key], head / group);
                    context
                        .iter_mut()
                        .zip(value)
                        .for_each(|(c, x)| *c += score / total * x);
                }
                output.extend(context);
            }
            self.linear(&format!("{name}.self_attn.o_proj"), &output)
        });
        outputs.collect()
    }
}
