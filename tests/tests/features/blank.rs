//! The code of a source alone: comments, and strings of several lines, become spaces, so that what they
//! quote is not taken for code. Lines and columns stay.

/// Blanks out what is no code.
pub fn code_only(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = piece(rest, first, code.chars().next_back());
        let (piece, behind) = rest.split_at(length);
        if is_code {
            code.push_str(piece);
        } else {
            let blank = |it| if it == '\n' { '\n' } else { ' ' };
            code.extend(piece.chars().map(blank));
        }
        rest = behind;
    }
    code
}

/// The length of the next comment, literal or character, and whether it is to stay.
fn piece(text: &str, first: char, before: Option<char>) -> (usize, bool) {
    let is_word = |it: char| it.is_alphanumeric() || it == '_';
    match first {
        '/' if text.starts_with("//") => (text.find('\n').unwrap_or(text.len()), false),
        '/' if text.starts_with("/*") => (block_comment(text), false),
        '"' => one_line(text, string(text)),
        // `br` is not at its beginning a raw string, and at its second letter is one.
        'r' if !before.is_some_and(|it| is_word(it) && it != 'b') => match raw_string(text) {
            Some(length) => one_line(text, length),
            None => (1, true),
        },
        '\'' => (character(text), true),
        first => (first.len_utf8(), true),
    }
}

/// A string stays if it is on one line: a condition may ask for it.
fn one_line(text: &str, length: usize) -> (usize, bool) {
    (length, !text[..length].contains('\n'))
}

fn block_comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// From a quote to the next that no backslash precedes.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn raw_string(text: &str) -> Option<usize> {
    let hashes = text[1..].bytes().take_while(|byte| *byte == b'#').count();
    let begin = 1 + hashes + 1;
    if text.as_bytes().get(begin - 1) != Some(&b'"') {
        return None;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let length = text[begin..].find(&end).map(|at| begin + at + end.len());
    Some(length.unwrap_or(text.len()))
}

/// A character in quotes, or the mark of a lifetime.
fn character(text: &str) -> usize {
    let mut inner = text.chars().skip(1);
    match (inner.next(), inner.next()) {
        (Some('\\'), Some(escaped)) => {
            let begin = 2 + escaped.len_utf8();
            text[begin..]
                .find('\'')
                .map_or(text.len(), |at| begin + at + 1)
        }
        (Some(only), Some('\'')) => 2 + only.len_utf8(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_become_spaces_and_lines_stay_lines() {
        assert_eq!(code_only("a // b\nc"), "a     \nc");
        assert_eq!(
            code_only("a /* b\n/* c */ d */ e"),
            "a     \n             e"
        );
        assert_eq!(code_only("\"//\" b"), "\"//\" b");
    }

    #[test]
    fn strings_of_several_lines_are_no_code_and_those_of_one_are() {
        assert_eq!(
            code_only("f(\"a\\\"\n#[test]\")"),
            format!("f({}\n{})", " ".repeat(4), " ".repeat(8))
        );
        assert_eq!(
            code_only("r#\"a\"\nb\"# c"),
            format!("{}\n{} c", " ".repeat(5), " ".repeat(3))
        );
        assert_eq!(code_only("br\"a\nb\" c"), "b   \n   c");
        assert_eq!(code_only("cfg(os = \"linux\")"), "cfg(os = \"linux\")");
        assert_eq!(code_only("for \"a\""), "for \"a\"");
    }

    #[test]
    fn a_quote_in_quotes_begins_nothing() {
        assert_eq!(code_only("'\"' // a"), "'\"'     ");
        assert_eq!(code_only("'\\'' // a"), "'\\''     ");
        assert_eq!(code_only("fn f<'a>() // a"), "fn f<'a>()     ");
    }
}
