//! An encoder-decoder on the general mixture, on sentences of the built-in CL suite and on questions about
//! them: what is asked is answered, prose and sentences are to be completed where spans are missing.

use std::collections::BTreeSet;

use lm::{Example, TextTokenizer};
use serde_json::json;

use super::{BaseModelSettings, BaseModelSource, MAX_LENGTH, vocabulary_texts};
use crate::error::SyntheticError;
use crate::miniature;
use crate::suite::{Document, mixture};
use crate::vocabulary::sentence_pieces::{self, END, PADDING};

/// Times that the wordings of the tasks are among the texts of the vocabulary: about as often as a word
/// of their sentences.
const WORDINGS: usize = 200;

/// Documents of the mixture, sentences of the tasks without their labels, the same under numbers in
/// their place, and options about them, in turn.
pub(super) fn documents(settings: &BaseModelSettings) -> Vec<Document> {
    let quarter = settings.documents.div_ceil(4);
    let sentences: Vec<String> = miniature::documents(settings.seed, quarter).collect();
    let groups = miniature::groups(settings.seed, quarter).map(|(p, a)| Document::asked(p, a));
    let others = mixture(settings.seed, quarter).into_iter().zip(groups);
    in_turn(
        others.map(|(document, group)| vec![document, group]),
        &sentences,
        &miniature::labels(),
        settings,
    )
}

/// Texts of the user's, questions about them, and what the user's file asks, in turn.
pub(super) fn documents_of(
    documents: Vec<Document>,
    settings: &BaseModelSettings,
) -> Vec<Document> {
    let (texts, asked): (Vec<_>, Vec<_>) = documents
        .into_iter()
        .partition(|document| document.prompt.is_empty());
    let texts: Vec<String> = texts.into_iter().map(|document| document.answer).collect();
    let asked: Vec<Vec<Document>> = match texts.is_empty() {
        true => return asked.into_iter().take(settings.documents).collect(),
        // As many questions per text as there are.
        false => {
            let per_text = asked.len().div_ceil(texts.len()).max(1);
            asked.chunks(per_text).map(<[Document]>::to_vec).collect()
        }
    };
    in_turn(asked.into_iter(), &texts, &BTreeSet::new(), settings)
}

fn in_turn(
    mut others: impl Iterator<Item = Vec<Document>>,
    texts: &[String],
    excluded: &BTreeSet<String>,
    settings: &BaseModelSettings,
) -> Vec<Document> {
    let mut options = miniature::options(texts, excluded, settings.seed);
    let documents = texts.iter().flat_map(|text| {
        let option = options.next();
        let asked = option.map(|(prompt, answer)| Document::asked(prompt, answer));
        let own = std::iter::once(Document::prose(text)).chain(asked);
        others.next().into_iter().flatten().chain(own)
    });
    documents.take(settings.documents).collect()
}

/// Configuration and tokenizer of a model that does not exist yet.
///
/// The built-in suite's wordings are part of the vocabulary, as everybody's words are of a published one:
/// without them its prompts would be spelt letter by letter.
pub(super) fn source(
    documents: &[Document],
    settings: &BaseModelSettings,
) -> Result<BaseModelSource, SyntheticError> {
    let wordings: Vec<String> = match &settings.own_documents {
        None => miniature::wordings().collect(),
        Some(_) => Vec::new(),
    };
    let wordings = wordings.iter().cycle().take(WORDINGS * wordings.len());
    let texts = vocabulary_texts(documents).chain(wordings.cloned());
    let tokenizer =
        sentence_pieces::train(texts.collect::<Vec<_>>().into_iter(), settings.vocabulary)?;
    let heads = 4;
    let config = json!({
        "architectures": ["T5ForConditionalGeneration"],
        "model_type": "t5",
        "vocab_size": tokenizer.get_vocab_size(true),
        "d_model": settings.hidden,
        "d_kv": settings.hidden / heads,
        "d_ff": settings.hidden * 2,
        "num_layers": settings.layers,
        "num_decoder_layers": settings.layers,
        "num_heads": heads,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "dropout_rate": 0.0,
        "layer_norm_epsilon": 1e-6,
        "feed_forward_proj": "relu",
        "is_encoder_decoder": true,
        "tie_word_embeddings": true,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": 0,
        "torch_dtype": "float32"
    });
    let generation = json!({"eos_token_id": 1, "pad_token_id": 0, "decoder_start_token_id": 0});
    Ok(BaseModelSource::new(
        config,
        generation,
        tokenizer,
        [END, PADDING],
    ))
}

/// What is asked as a prompt and its answer, prose with spans that are missing.
pub(super) fn rows(
    documents: &[Document],
    tokenizer: &TextTokenizer,
) -> Result<Vec<Example>, SyntheticError> {
    let row = |(index, document): (usize, &Document)| {
        Ok(match document.prompt.as_str() {
            "" => tokenizer.text(&document.answer, MAX_LENGTH, index as u64)?,
            prompt => tokenizer.example(prompt, &document.answer, MAX_LENGTH)?,
        })
    };
    documents.iter().enumerate().map(row).collect()
}
