//! How likely texts are.

use anyhow::{Result, bail};
use general::{Likelihood, Request, Response, Scope};
use lm::{Framing, LanguageModel};

use super::Asked;
use super::batch::batches;

/// A text whose likelihood is measured.
struct Measured<'a> {
    /// The row that asks for it.
    row: usize,
    /// What its beginning is known by.
    group: &'a str,
    tokens: Vec<u32>,
    /// The first token that counts.
    from: usize,
    /// Tokens that count without a probability: the first one of a whole text.
    beside: usize,
}

/// Measures what these rows ask for: the likelihoods of choices, or of a text.
pub(super) fn measure<M: LanguageModel>(
    asked: &Asked<'_, M>,
    rows: &[usize],
    responses: &mut [Option<Response>],
    answered: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<()> {
    if asked.tokenizer.framing() == Framing::TextToText {
        return measure_answers(asked, rows, responses, answered);
    }
    let mut texts = Vec::new();
    for &row in rows {
        texts.extend(texts_of(asked, row)?);
    }
    // Known before anything is computed: nothing of such a text has a probability.
    let is_empty = |text: &Measured<'_>| text.tokens.len() <= text.from && text.beside == 0;
    if let Some(text) = texts.iter().find(|text| is_empty(text)) {
        bail!(
            "row {}: the model's tokenizer makes {} of it, so that none is left to predict; remove it, or make it longer",
            asked.rows[text.row].name,
            match text.tokens.len() {
                1 => "1 token".to_string(),
                tokens => format!("{tokens} tokens"),
            }
        );
    }
    let tokens: Vec<Vec<u32>> = texts
        .iter_mut()
        .map(|text| std::mem::take(&mut text.tokens))
        .collect();
    let groups: Vec<&str> = texts.iter().map(|text| text.group).collect();
    let name = |at: usize| asked.rows[texts[at].row].name.clone();
    let batches = batches(&tokens, &groups, 0, asked.limits, &name)?;

    let mut found: Vec<Option<Likelihood>> = vec![None; texts.len()];
    let mut missing = vec![0; asked.rows.len()];
    for text in &texts {
        missing[text.row] += 1;
    }
    for batch in batches {
        let (prefix, _) = tokens[batch.rows[0]].split_at(batch.prefix);
        let behind: Vec<Vec<u32>> = batch
            .rows
            .iter()
            .map(|&at| tokens[at][batch.prefix..].to_vec())
            .collect();
        let losses = asked.model.token_losses(prefix, &behind);
        let mut done = 0;
        for (&at, own) in batch.rows.iter().zip(&losses.rows) {
            let text = &texts[at];
            // The losses of all tokens but the first.
            let all = losses.prefix.iter().chain(own);
            let counted = all.skip(text.from.saturating_sub(1));
            let (mut log_probability, mut count) = (0.0, text.beside);
            for &loss in counted {
                log_probability -= f64::from(loss);
                count += 1;
            }
            found[at] = Some(Likelihood {
                log_probability,
                tokens: count,
            });
            missing[text.row] -= 1;
            done += usize::from(missing[text.row] == 0);
        }
        answered(done)?;
    }
    let mut all = texts.iter().zip(found).peekable();
    for &row in rows {
        let mut own = Vec::new();
        while let Some((_, found)) = all.next_if(|(text, _)| text.row == row) {
            own.extend(found);
        }
        responses[row] = response(&asked.rows[row].request, own);
    }
    Ok(())
}

/// What a row's likelihoods answer.
fn response(request: &Request, mut likelihoods: Vec<Likelihood>) -> Option<Response> {
    match request {
        Request::Loss { .. } => likelihoods.pop().map(Response::Loss),
        _ => Some(Response::Choices(likelihoods)),
    }
}

/// The texts that a row asks for.
fn texts_of<'a, M>(asked: &Asked<'a, M>, row: usize) -> Result<Vec<Measured<'a>>> {
    // What is continued has no end token, whatever the tokenizer puts behind a whole text.
    let encode = |text: &str| asked.tokenizer.question(text);
    match &asked.rows[row].request {
        Request::Choose {
            prompt,
            choices,
            scope,
        } => {
            let text = prompt.text();
            // White space at the end of a prompt belongs to the choice, with which a tokenizer joins it.
            let from = match scope {
                Scope::WholeText => 1,
                Scope::Choice => encode(text.trim_end())?.len(),
            };
            let measured = choices.iter().map(|choice| {
                Ok(Measured {
                    row,
                    group: &prompt.shared,
                    tokens: encode(&format!("{text}{choice}"))?,
                    from,
                    beside: usize::from(*scope == Scope::WholeText),
                })
            });
            measured.collect()
        }
        Request::Loss { text, max_tokens } => {
            let mut tokens = encode(text)?;
            tokens.truncate(*max_tokens);
            Ok(vec![Measured {
                row,
                group: "",
                tokens,
                from: 1,
                beside: 0,
            }])
        }
        Request::Generate { .. } => Ok(Vec::new()),
    }
}

/// The choices as answers of an encoder-decoder model, which reads the prompt apart.
fn measure_answers<M: LanguageModel>(
    asked: &Asked<'_, M>,
    rows: &[usize],
    responses: &mut [Option<Response>],
    answered: &mut dyn FnMut(usize) -> Result<()>,
) -> Result<()> {
    for &row in rows {
        let (prompt, choices) = match &asked.rows[row].request {
            Request::Choose {
                prompt,
                choices,
                scope: Scope::Choice,
            } => (prompt, choices),
            _ => bail!(
                "{}: the loss of a whole text needs a decoder-only model; an encoder-decoder model answers suites of \
                 the protocol lm-eval",
                asked.rows[row].name
            ),
        };
        let prompt = asked.tokenizer.encode(&prompt.text(), true)?;
        // Without the token that ends an answer, as the harness has it.
        let choices = choices
            .iter()
            .map(|choice| asked.tokenizer.encode(choice, false));
        let choices = choices.collect::<Result<Vec<_>, _>>()?;
        let losses = asked.model.token_losses(&prompt, &choices);
        let likelihoods = losses.rows.iter().map(|row| Likelihood {
            log_probability: -row.iter().map(|&loss| f64::from(loss)).sum::<f64>(),
            tokens: row.len(),
        });
        responses[row] = Some(Response::Choices(likelihoods.collect()));
        answered(1)?;
    }
    Ok(())
}
