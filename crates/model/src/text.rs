//! The one escaping function for logs and terminals.

use std::fmt::Write as _;

/// Makes text from outside fit for a log line or a terminal: control characters, line breaks, escape sequences and
/// characters that turn the reading direction become `\u{…}`, and at most `max_chars` characters are shown.
#[must_use]
pub fn printable(text: &str, max_chars: usize) -> String {
    let mut out = String::with_capacity(text.len().min(max_chars));
    for (shown, c) in text.chars().enumerate() {
        if shown == max_chars {
            out.push('…');
            break;
        }
        if c.is_control() || is_invisible(c) {
            // Unwrap safety: writing to a String cannot fail.
            write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes any text");
        } else {
            out.push(c);
        }
    }
    out
}

/// Marks and overrides of the reading direction, zero-width and line-separating characters.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_or_forges_a_line_comes_through() {
        assert_eq!(printable("a\nb\u{1b}[2Jc\u{202e}d", 100), "a\\u{a}b\\u{1b}[2Jc\\u{202e}d");
        assert_eq!(printable("abcdef", 3), "abc…");
    }
}
