//! Texts that the model continues.

use anyhow::Result;
use general::{Request, Response};
use lm::{GenerationOptions, LanguageModel, TextTokenizer};

use super::Asked;
use super::batch::batches;

/// So many of the last tokens are looked through for a text that ends the output.
const LAST_TOKENS: usize = 24;

/// A prompt and how its output ends.
struct Prompt<'a> {
    row: usize,
    group: &'a str,
    stop: &'a [String],
    max_new_tokens: usize,
}

/// Continues the prompts of these rows, each with the most likely token at a time.
pub(super) fn generate<M: LanguageModel>(
    asked: &Asked<'_, M>,
    rows: &[usize],
    responses: &mut [Option<Response>],
    answered: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<()> {
    let (mut prompts, mut tokens) = (Vec::new(), Vec::new());
    for &row in rows {
        if let Request::Generate {
            prompt,
            stop,
            max_new_tokens,
        } = &asked.rows[row].request
        {
            tokens.push(asked.tokenizer.question(&prompt.text())?);
            prompts.push(Prompt {
                row,
                group: &prompt.shared,
                stop,
                max_new_tokens: *max_new_tokens,
            });
        }
    }
    let groups: Vec<&str> = prompts.iter().map(|prompt| prompt.group).collect();
    let longest = prompts
        .iter()
        .map(|prompt| prompt.max_new_tokens)
        .max()
        .unwrap_or(0);
    let name = |at: usize| asked.rows[prompts[at].row].name.clone();
    for batch in batches(&tokens, &groups, longest, asked.limits, &name)? {
        let (prefix, _) = tokens[batch.rows[0]].split_at(batch.prefix);
        let behind: Vec<Vec<u32>> = batch
            .rows
            .iter()
            .map(|&at| tokens[at][batch.prefix..].to_vec())
            .collect();
        let most = batch
            .rows
            .iter()
            .map(|&at| prompts[at].max_new_tokens)
            .max()
            .unwrap_or(0);
        let stops = asked.tokenizer.stop_tokens().to_vec();
        let options = GenerationOptions::greedy(most, stops);
        let mut ended = |row: usize, output: &[u32]| {
            let prompt = &prompts[batch.rows[row]];
            output.len() >= prompt.max_new_tokens || ends(asked.tokenizer, output, prompt.stop)
        };
        let outputs = asked
            .model
            .generate_behind(prefix, &behind, &options, &mut ended);
        for (&at, output) in batch.rows.iter().zip(&outputs) {
            let text = asked.tokenizer.decode(output, true)?;
            responses[prompts[at].row] = Some(Response::Text(text));
        }
        answered(batch.rows.len())?;
    }
    Ok(())
}

/// Whether the end of an output holds one of the texts at which it ends. Scoring cuts it there.
fn ends(tokenizer: &TextTokenizer, output: &[u32], stop: &[String]) -> bool {
    if stop.is_empty() {
        return false;
    }
    let last = &output[output.len().saturating_sub(LAST_TOKENS)..];
    // A character that is not complete yet cannot be decoded alone; the next token completes it.
    let text = tokenizer.decode(last, true).unwrap_or_default();
    stop.iter().any(|stop| text.contains(stop.as_str()))
}
