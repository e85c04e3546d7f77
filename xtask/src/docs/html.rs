//! As much of HTML as a link checker needs: the tags of a page with their attributes.
//!
//! Text, comments, scripts and styles are passed over. What is read was written by mdBook and
//! rustdoc, so a page that is not well-formed is not mended here as a browser would.

use std::collections::HashSet;

/// What a page links to, and what can be linked to in it.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// The addresses of `href` and `src`, as they are meant: without entities.
    pub links: Vec<String>,
    /// The anchors.
    pub ids: HashSet<String>,
    /// Where the page leads on to by itself.
    pub refresh: Option<String>,
}

impl Page {
    /// Reads a page.
    pub fn parse(text: &str) -> Page {
        let mut page = Page::default();
        let mut rest = text;
        while let Some(start) = rest.find('<') {
            rest = &rest[start..];
            if rest.starts_with("<!--") {
                rest = after(rest, "-->");
                continue;
            }
            let (name, inside) = name(&rest[1..]);
            if name.is_empty() {
                rest = &rest[1..];
                continue;
            }
            rest = page.attributes(&name, inside);
            if let "script" | "style" | "svg:style" = name.as_str() {
                rest = after(rest, &format!("</{name}"));
            }
        }
        page
    }

    /// Notes the attributes of one tag and gives what follows it.
    fn attributes<'a>(&mut self, tag: &str, mut rest: &'a str) -> &'a str {
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/');
            if rest.is_empty() {
                return rest;
            }
            if let Some(rest) = rest.strip_prefix('>') {
                return rest;
            }
            let end = rest
                .find(|c: char| c.is_whitespace() || "=>/".contains(c))
                .unwrap_or(rest.len());
            let key = rest[..end].to_ascii_lowercase();
            // At least one character, so that a stray sign cannot hold this up.
            rest = &rest[end.max(1).min(rest.len())..];
            if end == 0 {
                continue;
            }
            let Some(value) = rest.trim_start().strip_prefix('=') else {
                continue;
            };
            let (value, behind) = value_of(value.trim_start());
            rest = behind;
            match key.as_str() {
                "href" | "src" if tag != "base" => self.links.push(decoded(value)),
                "id" => drop(self.ids.insert(decoded(value))),
                "name" if tag == "a" => drop(self.ids.insert(decoded(value))),
                "content" if tag == "meta" => {
                    let lower = value.to_ascii_lowercase();
                    if let Some(place) = lower.find("url=") {
                        self.refresh = Some(decoded(&value[place + 4..]));
                    }
                }
                _ => {}
            }
        }
    }
}

fn after<'a>(text: &'a str, mark: &str) -> &'a str {
    text.find(mark)
        .map_or("", |place| &text[place + mark.len()..])
}

/// The name of the tag that starts here, empty if none does.
fn name(text: &str) -> (String, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != ':')
        .unwrap_or(text.len());
    (text[..end].to_ascii_lowercase(), &text[end..])
}

/// A value, in quotes of either kind or in none, and what follows it.
fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    let end = text
        .find(|c: char| c.is_whitespace() || c == '>')
        .unwrap_or(text.len());
    text.split_at(end)
}

/// Without the entities that mdBook and rustdoc use in attributes.
fn decoded(value: &str) -> String {
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2F;", "/"),
        ("&amp;", "&"),
    ];
    let mut text = value.to_owned();
    for (entity, character) in entities {
        text = text.replace(entity, character);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(links: &[&str], ids: &[&str]) -> Page {
        Page {
            links: links.iter().map(|&link| link.to_owned()).collect(),
            ids: ids.iter().map(|&id| id.to_owned()).collect(),
            refresh: None,
        }
    }

    #[test]
    fn links_and_anchors_are_found_however_they_are_quoted() {
        let text = "<h1 id='top'>A</h1><a class=x href=\"b.html#c\">b</a><img src=d.png alt=''/>\
                    <a href=#1 id=1 data-nosnippet>1</a><a name=\"old\"></a>";
        let found = Page::parse(text);
        assert_eq!(
            found,
            page(&["b.html#c", "d.png", "#1"], &["top", "1", "old"])
        );
    }

    #[test]
    fn what_is_no_tag_is_passed_over() {
        let text = "1 < 2 <!-- <a href=no> --><script>let x = '<a href=\"no\">';</script>\
                    <style>a { b: '<a href=no>' }</style><meta name=no><a href=yes>";
        assert_eq!(Page::parse(text), page(&["yes"], &[]));
    }

    #[test]
    fn entities_are_decoded() {
        let found = Page::parse("<a href='a?b=1&amp;c' id='impl-From&lt;T&gt;'>");
        assert_eq!(found, page(&["a?b=1&c"], &["impl-From<T>"]));
    }

    #[test]
    fn where_a_page_leads_on_to_is_found() {
        let found = Page::parse("<meta http-equiv=\"refresh\" content=\"0;URL=../b.html\">");
        assert_eq!(found.refresh.as_deref(), Some("../b.html"));
    }

    #[test]
    fn a_page_that_is_cut_off_ends() {
        for text in [
            "<",
            "<a",
            "<a href",
            "<a href=",
            "<a href='x",
            "<!--",
            "<script>",
            "<a =",
        ] {
            Page::parse(text);
        }
    }
}
