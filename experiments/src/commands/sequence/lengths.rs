//! What of the rows does not fit into the lengths of a run.

use anyhow::Result;
use benchmarks::TaskRows;
use lm::TextTokenizer;

/// Rows that are looked at, spread over those of a task.
const SAMPLE: usize = 100;

/// Sentences about training rows that lose a part, and about labels that are longer than what is
/// generated; none where everything fits.
pub fn remarks(
    rows: &TaskRows,
    max_new_tokens: usize,
    max_length: usize,
    tokenizer: &TextTokenizer,
) -> Result<Vec<String>> {
    let mut remarks = Vec::new();
    let count = rows.train.len().min(SAMPLE);
    let sample = (0..count).map(|index| &rows.train[index * rows.train.len() / count]);
    let (mut cut, mut longest) = (0, 0);
    for row in sample {
        let whole = tokenizer.example(&row.prompt, &row.answer, usize::MAX)?;
        let fitted = tokenizer.example(&row.prompt, &row.answer, max_length)?;
        cut += usize::from(fitted.len() < whole.len());
        longest = longest.max(whole.len());
    }
    if cut > 0 {
        remarks.push(format!(
            "{cut} of {count} training rows looked at lose a part: the longest has {longest} tokens, \
             max_length is {max_length}"
        ));
    }
    for label in &rows.labels {
        let tokens = tokenizer.example("", label, usize::MAX)?.answer.len();
        if tokens > max_new_tokens + 1 {
            remarks.push(format!(
                "label {label:?} has {tokens} tokens with its end, {max_new_tokens} are generated: it \
                 cannot be answered"
            ));
        }
    }
    Ok(remarks)
}
