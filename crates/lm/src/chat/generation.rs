//! `{% generation %}` of transformers: a block that marks what the assistant says.
//!
//! minijinja has no blocks of one's own. The tags are rewritten to a filter, which puts two marks around the
//! text of the block; rendering removes the marks and remembers where they stood.

use std::ops::Range;

/// Name of the filter that stands for the block.
pub(super) const FILTER: &str = "osft_generation";
/// Marks of the beginning and the end of a block. Unicode assigns no meaning to them; texts that contain them
/// are refused before they are rendered.
pub(super) const BEGIN: char = '\u{10FFFE}';
pub(super) const END: char = '\u{10FFFD}';

/// A template whose generation tags are rewritten, and whether it has any.
pub(super) fn rewritten(source: &str) -> (String, bool) {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    let mut marks = false;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        text.push_str(before);
        let Some(end) = tag.find("%}").map(|end| end + 2) else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end);
        let inner = &tag[2..tag.len() - 2];
        let sign = |c: char| c == '-' || c == '+';
        let (opening, closing) = (inner.starts_with(sign), inner.ends_with(sign));
        let word = inner.trim_matches(sign).trim();
        let replacement = match word {
            "generation" => Some(format!("filter {FILTER}")),
            "endgeneration" => Some("endfilter".to_string()),
            _ => None,
        };
        match replacement {
            Some(replacement) => {
                marks = true;
                let open = if opening { &inner[..1] } else { "" };
                let close = if closing {
                    &inner[inner.len() - 1..]
                } else {
                    ""
                };
                text.push_str(&format!("{{%{open} {replacement} {close}%}}"));
            }
            None => text.push_str(tag),
        }
        rest = after;
    }
    text.push_str(rest);
    (text, marks)
}

/// Removes the marks from a rendered text. Also returns what stood between them, as ranges of characters.
pub(super) fn unmarked(rendered: &str) -> (String, Vec<Range<usize>>) {
    let (mut text, mut ranges) = (String::with_capacity(rendered.len()), Vec::new());
    let (mut position, mut start) = (0, None);
    for character in rendered.chars() {
        match character {
            BEGIN => start = Some(position),
            END => ranges.extend(start.take().map(|start| start..position)),
            other => {
                text.push(other);
                position += 1;
            }
        }
    }
    (text, ranges)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_generation_tags_are_rewritten_and_keep_their_white_space_control() {
        let source = "{% if a %}{%- generation -%}x{%endgeneration%}{% endif %} {{ '%}' }} {% open";
        let (text, marks) = rewritten(source);
        assert!(marks);
        assert_eq!(
            text,
            "{% if a %}{%- filter osft_generation -%}x{% endfilter %}{% endif %} {{ '%}' }} {% open"
        );
        assert!(!rewritten("{% for generation in x %}").1);
    }

    #[test]
    fn marks_become_ranges_of_characters() {
        let rendered = format!("é{BEGIN}木a{END}b{BEGIN}{END}");
        assert_eq!(unmarked(&rendered), ("é木ab".to_string(), vec![1..3, 4..4]));
    }
}
