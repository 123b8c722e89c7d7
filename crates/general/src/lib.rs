//! Suites of general ability, measured around fine-tuning: the part that needs no model.
//!
//! [`Suites`] lists MMLU, GSM8K, BIG-Bench Hard, TyDiQA, BoolQ, PIQA and the loss on plain text;
//! [`open_own`] opens a user's own file. A [`Suite`] gives a [`Request`] for each row and makes a
//! [`Score`] of the [`Response`]s; [`Score::compare`] compares the scores before and after, row by
//! row.
//!
//! Each suite is measured by one of two protocols. They write other prompts and score otherwise,
//! so their numbers cannot be compared:
//!
//! | suite | `trace` | `lm-eval` |
//! |---|---|---|
//! | `mmlu` | 5 examples; lowest loss of the whole text; mean over subjects | 5 examples; most likely letter; mean over rows |
//! | `gsm8k` | 4 fixed examples; last number; 512 tokens | 5 drawn examples; number after `####`, or last number; 256 tokens |
//! | `bbh` | 3 examples; letter, or text after "answer is"; 512 tokens; mean over tasks | 3 examples; text after "the answer is"; 1024 tokens; mean over rows |
//! | `tydiqa` | no examples; F1 of words; 50 tokens; mean over languages | – |
//! | `boolq` | no examples; lowest loss of the whole text | no examples; most likely answer |
//! | `piqa` | no examples; lowest loss of the whole text | no examples; most likely solution, as a whole and per character |
//! | `loss` | texts cut behind 768 tokens; mean over tokens | the same |
//!
//! # Files
//!
//! Rows and examples are read from a folder; none of them is part of this crate. A [`Manifest`]
//! says where the files are from and verifies them. Files of rows have one JSON object per line,
//! and other keys than these are ignored:
//!
//! | file | keys |
//! |---|---|
//! | `mmlu.jsonl`, `mmlu_fewshot.jsonl` | `subject` (`abstract_algebra`), `question`, `choices` (4), `answer` (`A` to `D`) |
//! | `gsm8k.jsonl`, `gsm8k_fewshot.jsonl` | `question`, `answer` (ends with `#### 12`) |
//! | `bbh.jsonl` | `task`, `input`, `target` |
//! | `tydiqa.jsonl` | `language` (`english`), `question`, `context`, `answers` |
//! | `boolq.jsonl` | `question`, `passage`, `answer` (true or false) |
//! | `piqa.jsonl` | `goal`, `sol1`, `sol2`, `label` (0 or 1) |
//! | `wiki.txt` | no JSON: one text per line |
//! | `prompts/gsm8k_trace.json` | a list of four objects: `user`, `assistant` |
//! | `prompts/tydiqa_trace.json` | an object by language: `instruction`, `passage`, `question`, `answer` |
//! | `prompts/bbh/TASK.txt` | no JSON: instruction and three worked examples, as their authors publish them |

// From the lowest to the highest; those of a block do not use each other.
mod error;

mod files;
mod hash;
mod protocol;
mod python_random;
mod request;
mod statistics;
mod text;

mod choice;
mod suite;

mod kind;
mod manifest;
mod own;
mod score;

mod comparison;
mod suites;

mod registry;

pub use comparison::Comparison;
pub use error::GeneralError;
pub use kind::SuiteKind;
pub use manifest::{Fault, Manifest, ManifestFile};
pub use own::{OwnSettings, open_own};
pub use protocol::Protocol;
pub use registry::Suites;
pub use request::{Likelihood, Prompt, Request, Response, Scope};
pub use score::{GroupScore, Measure, Score, ScoredRow, Unit};
pub use statistics::{Bootstrap, GroupMean, Interval, Observation, Sample, SignTest, sign_test};
pub use suite::{Expected, GradeText, Grading, PickChoice, Rules, Suite, SuiteRow};
pub use suites::open_texts;
