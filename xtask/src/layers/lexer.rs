//! Rust source without its comments and literals, so that words can be looked for in code only.

/// The source with every comment and every string or character literal as blanks.
///
/// Lines stay where they are. What is not Rust gives some text, never a panic.
pub fn code_only(source: &str) -> String {
    let mut lexer = Lexer {
        rest: source,
        code: String::with_capacity(source.len()),
    };
    while !lexer.rest.is_empty() {
        lexer.step();
    }
    lexer.code
}

/// The numbers, from 1, of the lines in which `word` stands as a word of its own.
pub fn lines_with_word(code: &str, word: &str) -> Vec<usize> {
    lines_where(code, word, |_, _| true)
}

/// The numbers, from 1, of the lines that name the crate `name`: as the head of a path, or in a
/// `use` or `extern crate` of it.
///
/// A module of the same name, `self::mio::Selector` or `mod mio;`, is not the crate.
pub fn lines_naming_crate(code: &str, name: &str) -> Vec<usize> {
    lines_where(code, name, |before, after| {
        let in_use = before.ends_with("use ") || before.ends_with("crate ");
        let path = after.trim_start().starts_with("::");
        let inner = before
            .trim_end()
            .strip_suffix("::")
            .is_some_and(|b| b.ends_with(is_word_char));
        (path || in_use) && !inner
    })
}

fn lines_where(code: &str, word: &str, wanted: impl Fn(&str, &str) -> bool) -> Vec<usize> {
    let mut lines = Vec::new();
    for (at, _) in code.match_indices(word) {
        let (before, after) = (&code[..at], &code[at + word.len()..]);
        let whole = !before.ends_with(is_word_char) && !after.starts_with(is_word_char);
        if whole && wanted(before, after) {
            lines.push(before.matches('\n').count() + 1);
        }
    }
    lines
}

struct Lexer<'a> {
    rest: &'a str,
    code: String,
}

impl Lexer<'_> {
    fn step(&mut self) {
        let rest = self.rest;
        if rest.starts_with("//") {
            self.blank(rest.find('\n').unwrap_or(rest.len()));
        } else if rest.starts_with("/*") {
            self.blank(block_comment(rest));
        } else if let Some(length) = string(rest) {
            self.blank(length);
        } else if let Some(length) = character(rest) {
            self.blank(length);
        } else {
            let word = rest.find(|c| !is_word_char(c)).unwrap_or(rest.len());
            let one = rest.chars().next().map_or(0, char::len_utf8);
            self.keep(word.max(one));
        }
    }

    fn keep(&mut self, length: usize) {
        let (kept, rest) = self.rest.split_at(length);
        self.code.push_str(kept);
        self.rest = rest;
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.code
            .extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of the block comment that `rest` starts with; they nest.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string literal that `rest` starts with, with its prefix.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest
        .find(|c| !"bcr".contains(c))
        .filter(|length| *length <= 2)?;
    let raw = rest[..prefix].ends_with('r');
    let body = &rest[prefix..];
    if !raw {
        return body
            .strip_prefix('"')
            .map(|text| prefix + 1 + quoted(text, '"'));
    }
    let hashes = body.find(|c| c != '#')?;
    let text = body[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = text.find(&end).map_or(text.len(), |at| at + end.len());
    Some(prefix + hashes + 1 + length)
}

/// The length of the character literal that `rest` starts with; a lifetime is none.
fn character(rest: &str) -> Option<usize> {
    let prefix = usize::from(rest.starts_with("b'"));
    let text = rest[prefix..].strip_prefix('\'')?;
    if text.starts_with('\\') {
        return Some(prefix + 1 + quoted(text, '\''));
    }
    let one = text.chars().next()?.len_utf8();
    text[one..]
        .starts_with('\'')
        .then_some(prefix + 1 + one + 1)
}

/// How much of `text` belongs to a literal up to `end`, escapes observed.
fn quoted(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == end && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    text.len()
}

fn is_word_char(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_go_and_code_stays() {
        let cases = [
            ("a // unsafe\nb", "a \nb"),
            ("/// unsafe\nb", "\nb"),
            ("a /* unsafe /* more */ unsafe */ b", "a b"),
            (r#"f("unsafe \" unsafe", b"unsafe")"#, "f(, )"),
            (r##"r#"unsafe " unsafe"# + br"\" + x"##, " + + x"),
            ("r#unsafe + c\"x\"", "r#unsafe + "),
            (r"'u' '\'' b'\\' '\u{1F600}' 'é' end", " end"),
            ("&'unsafe_ str", "&'unsafe_ str"),
            (
                "fn f<'a>(c: char) { c == '\"' || unsafe {} }",
                "fn f<'a>(c: char) { c == || unsafe {} }",
            ),
        ];
        let dense = |text: &str| text.replace(' ', "");
        for (source, code) in cases {
            assert_eq!(dense(&code_only(source)), dense(code), "{source}");
        }
    }

    #[test]
    fn lines_stay_where_they_are() {
        let code = code_only("/*\n\n*/ \"\n\" // x\nunsafe {}");
        assert_eq!(lines_with_word(&code, "unsafe"), [5]);
    }

    #[test]
    fn broken_source_is_no_panic() {
        for source in [
            "\"open",
            "'",
            "'\\",
            "/* open",
            "r#\"open\"",
            "r",
            "b'",
            "r##",
            "é'é",
        ] {
            code_only(source);
        }
    }

    #[test]
    fn a_part_of_a_word_is_not_the_word() {
        assert_eq!(
            lines_with_word("unsafe_code\nmake_unsafe\nunsafe fn", "unsafe"),
            [3]
        );
    }

    #[test]
    fn a_crate_is_named_by_paths_and_uses_but_not_by_a_module_of_that_name() {
        for named in [
            "use mio::Poll;",
            "mio :: Poll",
            "::mio::Poll",
            "use mio as m;",
            "extern crate mio;",
        ] {
            assert_eq!(lines_naming_crate(named, "mio"), [1], "{named}");
        }
        for not in [
            "mod mio;",
            "self::mio::Poll",
            "crate::selector::mio::Poll",
            "let mio = 1;",
            "pub mod mio {",
        ] {
            assert!(lines_naming_crate(not, "mio").is_empty(), "{not}");
        }
    }
}
