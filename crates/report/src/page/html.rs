//! A page as one HTML file: no other file, no network, readable on a phone.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd, html};

/// Colours follow the reader's settings; tables and code scroll on their own where the screen is narrow.
const STYLE: &str = "\
:root{color-scheme:light dark}\
body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:0 auto;padding:1rem}\
h1{font-size:1.5rem;line-height:1.25}h2{font-size:1.2rem;margin-top:2rem}\
.scroll,pre{overflow-x:auto}\
table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums}\
th,td{padding:.3rem .6rem;border-bottom:1px solid #8886;text-align:left;white-space:nowrap}\
pre{background:#8882;padding:.6rem;border-radius:.4rem;font-size:.85rem}\
code{overflow-wrap:anywhere}pre code{overflow-wrap:normal}\
figure{margin:1rem 0}svg{max-width:100%;height:auto;background:#fff}\
hr{border:0;border-top:1px solid #8886}";

/// Turns Markdown into a page. `picture` gives the SVG of an image by its file name; an image without one is replaced
/// by its text. HTML in the Markdown is shown, not interpreted.
pub fn html_page(title: &str, markdown: &str, picture: &dyn Fn(&str) -> Option<String>) -> String {
    let mut events = Vec::new();
    // The SVG of the image whose text is being read.
    let mut image: Option<Option<String>> = None;
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Image { dest_url, .. }) => image = Some(picture(&dest_url)),
            Event::End(TagEnd::Image) => {
                if let Some(Some(svg)) = image.take() {
                    events.push(Event::InlineHtml(format!("<figure>{svg}</figure>").into()));
                }
            }
            Event::Text(_) | Event::Code(_) if matches!(image, Some(Some(_))) => {}
            Event::Start(table @ Tag::Table(_)) => {
                events.push(Event::Html("<div class=\"scroll\">".into()));
                events.push(Event::Start(table));
            }
            Event::End(TagEnd::Table) => {
                events.push(Event::End(TagEnd::Table));
                events.push(Event::Html("</div>".into()));
            }
            Event::Html(text) | Event::InlineHtml(text) => events.push(Event::Text(text)),
            // A page stands alone: a link out of it would lead nowhere.
            Event::Start(Tag::Link { .. }) | Event::End(TagEnd::Link) => {}
            other => events.push(other),
        }
    }
    let mut body = String::new();
    html::push_html(&mut body, events.into_iter());
    let mut escaped = String::new();
    html::push_html(&mut escaped, std::iter::once(Event::Text(title.into())));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" \
         content=\"width=device-width,initial-scale=1\">\n<link rel=\"icon\" href=\"data:,\">\n<title>{}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escaped.trim()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_stands_alone_and_interprets_no_html() {
        let markdown = "# A <b>\n\n| a | b |\n|---|---|\n| 1 | `<script>` |\n\n![m](m.svg) ![n](n.svg)\n\n\
                        <script>alert(1)</script>\n\n[x](javascript:alert(1))\n";
        let svg = |name: &str| (name == "m.svg").then(|| "<svg></svg>".to_string());
        let page = html_page("a </title>", markdown, &svg);
        assert!(page.contains("<figure><svg></svg></figure>"), "{page}");
        assert!(page.contains("<div class=\"scroll\"><table>"), "{page}");
        assert!(page.contains("&lt;/title&gt;</title>"), "{page}");
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        assert!(
            !page.contains("javascript:") && !page.contains("src="),
            "{page}"
        );
        assert!(page.contains("n") && page.contains("viewport"));
    }
}
