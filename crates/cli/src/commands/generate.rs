//! `osft generate`.

use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lm::{
    ChatTemplate, Conversation, GenerationOptions, HfFolder, LanguageModel, Model, TextTokenizer,
};
use rows::{Encoder, Limits, RowSet};
use serde_json::json;

use crate::args::{GenerateArgs, SamplingArgs};

const NO_TEMPLATE: &str = "the model has no chat template: add a file chat_template.jinja to its folder, or use \
                           `osft generate --raw`";
/// Prompts per batch.
const BATCH: usize = 8;

/// A model that answers.
pub struct Answering {
    model: Model,
    tokenizer: TextTokenizer,
    template: Option<ChatTemplate>,
    options: GenerationOptions,
    /// Most tokens that the model reads and writes together.
    positions: usize,
}

impl Answering {
    /// Loads a model, with its chat template unless it is to continue texts as they are.
    ///
    /// # Errors
    ///
    /// If it cannot be loaded, or a setting is out of its range.
    pub fn open(path: &Path, sampling: &SamplingArgs, raw: bool) -> Result<Self> {
        let decoding = sampling.decoding()?;
        let folder = HfFolder::open(runs::model_folder(path)?)?;
        let tokenizer = folder.tokenizer()?;
        let today = chrono::Local::now().date_naive();
        let loaded = folder.load::<Model>(&sampling.backend.device()?)?;
        for warning in tokenizer.warnings().iter().chain(&loaded.warnings) {
            eprintln!("warning: {warning}");
        }
        let stop_tokens = tokenizer.stop_tokens().to_vec();
        let positions = folder.config()["max_position_embeddings"].as_u64();
        Ok(Self {
            options: GenerationOptions {
                decoding,
                ..GenerationOptions::greedy(sampling.max_new_tokens, stop_tokens)
            },
            template: match raw {
                true => None,
                false => folder.chat_template(today)?,
            },
            model: loaded.model,
            tokenizer,
            positions: positions.map_or(usize::MAX, |positions| positions as usize),
        })
    }

    /// Checks that the model can hold a conversation.
    ///
    /// # Errors
    ///
    /// If it has no chat template.
    pub fn check_chat(&self) -> Result<()> {
        self.template.as_ref().context(NO_TEMPLATE).map(|_| ())
    }

    /// Answers the last message of a conversation.
    ///
    /// # Errors
    ///
    /// If the model has no chat template, or the conversation is too long for it.
    pub fn turn(&self, conversation: &Conversation) -> Result<String> {
        let template = self.template.as_ref();
        let template = template.context(NO_TEMPLATE)?;
        self.answer(template.question(conversation, &self.tokenizer)?)
    }

    /// Checks that a prompt of so many tokens and its answer fit into the model.
    fn check_length(&self, tokens: usize) -> Result<()> {
        let new = self.options.max_new_tokens;
        ensure!(
            tokens.saturating_add(new) <= self.positions,
            "the prompt has {tokens} tokens, and with {new} new ones they are more than the {} that the model was made \
             for; shorten it, or give a smaller --max-new-tokens",
            self.positions
        );
        Ok(())
    }

    /// Continues tokens.
    ///
    /// # Errors
    ///
    /// If there are none, or too many for the model.
    fn answer(&self, tokens: Vec<u32>) -> Result<String> {
        if tokens.is_empty() {
            bail!("the tokenizer finds no token in the prompt");
        }
        self.check_length(tokens.len())?;
        let answers = self.model.generate(&[tokens], &self.options);
        let answer = answers.into_iter().next().unwrap_or_default();
        Ok(self.tokenizer.decode(&answer, true)?)
    }
}

/// Answers one prompt, or those of a file.
pub fn run(args: &GenerateArgs) -> Result<()> {
    let answering = Answering::open(&args.model, &args.sampling, args.raw)?;
    if let Some(file) = &args.data {
        return file_of_rows(&answering, file);
    }
    let prompt = args.prompt.as_deref().unwrap_or_default();
    let answer = match &answering.template {
        Some(_) => {
            let message = json!([{"role": "user", "content": prompt}]);
            answering.turn(&Conversation::new(&message, None)?)?
        }
        None => answering.answer(answering.tokenizer.question(prompt)?)?,
    };
    println!("{}", answer.trim());
    Ok(())
}

fn file_of_rows(answering: &Answering, file: &str) -> Result<()> {
    let set = RowSet::read_questions(&[file.parse()?])?;
    let encoder = Encoder {
        tokenizer: &answering.tokenizer,
        template: answering.template.as_ref(),
        limits: Limits {
            max_length: answering.positions,
            max_new_tokens: answering.options.max_new_tokens,
            embeddings: usize::MAX,
        },
    };
    let mut questions = Vec::new();
    for row in &set.rows {
        let question = encoder.question(row)?;
        let question =
            question.with_context(|| format!("{}: it has no prompt to answer", row.place))?;
        answering
            .check_length(question.tokens.len() + question.lost)
            .with_context(|| row.place.to_string())?;
        // A weight of a file repeats its rows.
        questions.extend(std::iter::repeat_n(question, row.repeats));
    }
    let progress = runs::Progress::new(questions.len() as u64);
    for (number, batch) in questions.chunks(BATCH).enumerate() {
        let prompts: Vec<Vec<u32>> = batch.iter().map(|q| q.tokens.clone()).collect();
        let options = GenerationOptions {
            decoding: answering.options.decoding.of_batch(number),
            ..answering.options.clone()
        };
        let answers = answering.model.generate(&prompts, &options);
        for (question, answer) in batch.iter().zip(answers) {
            let answer = answering.tokenizer.decode(&answer, true)?;
            let line = json!({
                "prompt": question.prompt,
                "answer": answer.trim(),
                "expected": Some(&question.reference).filter(|answer| !answer.is_empty()),
            });
            println!("{line}");
        }
        progress.advance(batch.len() as u64, "answering");
    }
    progress.finish();
    Ok(())
}
