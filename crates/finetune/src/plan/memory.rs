//! Memory by phase and part, counted from shapes.

use burn::module::Module;
use continual::ROWS_AT_A_TIME;
use continual::method::{ComparedProbabilities, MemoryNeeds};
use lm::{Model, PassNumbers};
use osft::moment_bytes;
use runs::settings::RunConfig;

use super::work::{Unpacked, Work};

/// Bytes of a number in f32.
const SINGLE: usize = 4;
/// Most numbers of logits, of their logarithms and of their gradient that exist at a time, together.
const LOGITS: usize = 3 << 22;
/// Matrices of tokens and vocabulary that exist at a time where the predictions of two models are compared.
const COMPARED: usize = 4;
/// Copies of the attention scores of a block in its backward pass.
const SCORES: usize = 4;
/// Layers that one thread splits before their bases are copied together.
const SPLIT_AT_A_TIME: usize = 4;

/// Directions of the widest inputs, whose moments are sketches, at most.
const LARGEST_DECOMPOSED: usize = 4096;

/// A part of the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is.
    pub name: String,
    /// Its size in bytes.
    pub bytes: usize,
}

/// A phase of a run, with what exists at its peak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Its name.
    pub name: &'static str,
    /// What exists at its peak.
    pub parts: Vec<Part>,
}

impl Phase {
    /// Everything together.
    pub fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes).sum()
    }
}

/// The memory of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The phases in their order.
    pub phases: Vec<Phase>,
    /// What is written.
    pub disk: Vec<Part>,
}

impl Memory {
    /// The peak of all phases in bytes.
    pub fn peak(&self) -> usize {
        self.phases.iter().map(Phase::bytes).max().unwrap_or(0)
    }

    /// A phase by its name.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }

    /// Counts the memory of a run; `carried`: it goes on from earlier tasks.
    pub fn of(
        config: &RunConfig,
        model: &Model,
        passes: &PassNumbers,
        needs: &MemoryNeeds,
        work: &Work,
        carried: bool,
    ) -> Self {
        let part = |name: &str, bytes| Part {
            name: name.to_string(),
            bytes,
        };
        let parameters = SINGLE * model.num_params();
        let program = part("the program, its tokenizer and the rows", work.program);
        let weights = part("weights", parameters);
        let changed = part(
            "weights that change, beside those of the start",
            needs.changed(),
        );
        let calibrates = config.reads_calibration();
        let [observing, stored] = match calibrates {
            true => passes.inputs.iter().fold([0, 0], |sum, &width| {
                let [observing, stored] = moment_bytes(width);
                [sum[0] + observing, sum[1] + stored]
            }),
            false => [0, 0],
        };
        // The base's moments, and those of everything that is to be retained: the same at first.
        let sets = if carried { 2 } else { 1 };
        let moments = |count: usize| part("moments of the layers' inputs", count * stored);
        let widest = passes.inputs.iter().copied().max().unwrap_or(0);
        let evaluated = config.evaluation_batch.max(1);

        let mut phases = Vec::new();
        if calibrates && !carried {
            let settings = &config.calibration;
            let generated = ROWS_AT_A_TIME.min(settings.size().rows_of(settings.base_tokens))
                * settings.base_tokens;
            let kept = match settings.generates() {
                false => 0,
                true => {
                    SINGLE * (generated * passes.cached + 3 * ROWS_AT_A_TIME * passes.vocabulary)
                }
            };
            phases.push(Phase {
                name: "generating text to calibrate on",
                parts: vec![
                    program.clone(),
                    weights.clone(),
                    part("keys, values and logits", kept),
                ],
            });
            phases.push(Phase {
                name: "calibration",
                parts: vec![
                    program.clone(),
                    weights.clone(),
                    part("sums of the layers' inputs", observing),
                    part(
                        "activations",
                        observed(passes, evaluated * settings.base_tokens, widest),
                    ),
                ],
            });
        }
        if needs.splits {
            phases.push(Phase {
                name: "split",
                parts: vec![
                    program.clone(),
                    weights.clone(),
                    moments(sets),
                    part("bases, cores and adapters", needs.attached),
                    part("decompositions", split(passes)),
                ],
            });
        }
        let micro = &work.largest;
        let tokens = micro.prompt + micro.answer;
        let recomputed = config.train.activation_checkpointing;
        let mixed = !config.train.mixed_precision.is_none();
        // Layers that train need their inputs, and so do layers with an adapter.
        let trained = needs.gradients.max(needs.changed());
        let trained = (trained as f64 / parameters as f64).min(1.0);
        let activations = SINGLE
            * (passes.training(micro.prompt, micro.answer, trained, recomputed)
                + SCORES * passes.heads * micro.pairs
                + LOGITS.min(3 * tokens * passes.vocabulary));
        // Gradients are made while activations are freed, unless an earlier micro-batch has made them.
        let passing = match micro.accumulates || recomputed {
            true => activations + needs.gradients,
            false => activations.max(needs.gradients),
        };
        let compared = needs.compared.map_or(0, |pass| {
            SINGLE * compared(&pass, passes, &micro.unpacked, trained) + needs.gradients
        });
        // Embeddings have a gradient from either end of the model, and the bias of positions one of every pair.
        let of_all = match needs.gradients >= parameters {
            true => 2 * passes.vocabulary * passes.hidden + micro.pairs * passes.saved_pair,
            false => 0,
        };
        phases.push(Phase {
            name: "training",
            parts: vec![
                program.clone(),
                weights.clone(),
                changed.clone(),
                moments(sets),
                part("bases, cores and adapters", needs.attached),
                part("moments of the optimizer", needs.moments),
                Part {
                    name: match compared > passing {
                        true => "probabilities that are compared, and gradients".to_string(),
                        // In mixed precision they take less.
                        false if mixed => {
                            format!("activations of {tokens} tokens, counted in f32, and gradients")
                        }
                        false => format!("activations of {tokens} tokens, and gradients"),
                    },
                    bytes: passing.max(compared) + SINGLE * of_all,
                },
            ],
        });
        if needs.merging > 0 {
            phases.push(Phase {
                name: "merging at the end of the task",
                parts: vec![
                    program.clone(),
                    weights.clone(),
                    changed.clone(),
                    part("bases, cores and adapters", needs.attached),
                    part("changes on the host", needs.merging),
                ],
            });
        }
        if calibrates {
            phases.push(Phase {
                name: "calibration on the task",
                parts: vec![
                    program.clone(),
                    weights.clone(),
                    changed_targets(needs, parameters),
                    moments(sets),
                    part("sums of the layers' inputs", observing),
                    part(
                        "activations",
                        observed(passes, evaluated * config.max_length, widest),
                    ),
                ],
            });
        }
        if calibrates && needs.splits && config.calibration.held_out {
            phases.push(Phase {
                name: "checking whether the rows are enough",
                parts: vec![
                    program.clone(),
                    weights.clone(),
                    changed_targets(needs, parameters),
                    moments(sets),
                    part("moments of half of the rows", stored),
                    // Measured: the peak of three models rose by about as much as the optimizer had held, whose
                    // blocks lie between others.
                    part("blocks that training freed, between others", needs.moments),
                    part("bases of a split from them", needs.attached),
                    part("decompositions", split(passes)),
                ],
            });
        }
        let asks = work.questions > 0;
        let answering =
            usize::from(asks) * evaluated * (work.longest_question + config_new_tokens(config));
        phases.push(Phase {
            name: "measuring and writing",
            parts: vec![
                program,
                weights.clone(),
                changed_targets(needs, parameters),
                part("the written model, read again", parameters),
                moments(if calibrates { 2 } else { 0 }),
                part(
                    "keys, values and logits, or probabilities that are compared",
                    SINGLE
                        * (answering * passes.cached + 3 * evaluated * passes.vocabulary)
                            .max(COMPARED * work.longest_compared * passes.vocabulary),
                ),
            ],
        });
        // The whole model, what is attached, the optimizer, the weights of the split, and what protects the tasks.
        let split = if needs.splits { parameters } else { 0 };
        let protects = match calibrates {
            true => 2 * stored,
            false => needs.attached,
        };
        let saved = parameters + needs.attached + needs.moments + split + protects;
        let disk = vec![
            part("the model, in f32 (half of it in bf16)", parameters),
            part("what the next task needs, in osft/", protects),
            part(
                "saved states, while it runs",
                (config.checkpoints.keep.min(work.steps) + 1) * saved,
            ),
        ];
        Self { phases, disk }
    }
}

/// Numbers of a pass that compares probabilities: activations, scores, and matrices over the vocabulary.
fn compared(
    pass: &ComparedProbabilities,
    passes: &PassNumbers,
    micro: &Unpacked,
    trained: f64,
) -> usize {
    let rows = match pass.rows {
        None => *micro,
        Some([rows, tokens]) => Unpacked {
            prompt: 0,
            answer: rows * tokens,
            answers: rows * tokens,
            pairs: rows * tokens * tokens,
        },
    };
    passes.training(rows.prompt, rows.answer, trained, false)
        + SCORES * passes.heads * rows.pairs
        + pass.matrices * rows.answers * passes.vocabulary
}

/// The weights of the trained model that are not those of the start.
fn changed_targets(needs: &MemoryNeeds, parameters: usize) -> Part {
    // A core is merged into its weight at the end of the task.
    let merged = needs.gradients.min(parameters).max(needs.changed());
    Part {
        name: "weights that changed".to_string(),
        bytes: merged,
    }
}

/// A forward pass whose inputs are measured: the activations, the widest input in f64, and its product.
fn observed(passes: &PassNumbers, tokens: usize, widest: usize) -> usize {
    let inside = SINGLE * passes.inside(tokens, tokens / 2);
    inside + 8 * tokens * widest + SINGLE * widest * widest
}

/// Decompositions of the layers that are split at a time, of a mean size.
fn split(passes: &PassNumbers) -> usize {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let layers = passes.inputs.len().max(1);
    let at_a_time = (threads * SPLIT_AT_A_TIME).min(layers);
    // Eigenvectors, their basis and the weight in f64.
    let of = |width: usize| 8 * 4 * width * width.min(LARGEST_DECOMPOSED);
    at_a_time * passes.inputs.iter().map(|&width| of(width)).sum::<usize>() / layers
}

fn config_new_tokens(config: &RunConfig) -> usize {
    let tokens = config.rows.as_ref().map_or(0, |rows| rows.max_new_tokens);
    // No longer than what the model was made for.
    tokens.min(config.max_length)
}
