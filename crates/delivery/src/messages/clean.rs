//! Makes names that other people chose safe to print in a message.

use std::borrow::Cow;

use icu_properties::{CodePointMapData, props::GeneralCategory};

/// The value on one line, without characters that do not show or that reorder text, cut to `max_chars`,
/// and without anything a phone or a mail program would turn into a link.
///
/// So it can start no new line (the origin-bound line stays the last, and no mail header can begin), it
/// cannot turn digits around, and a payee called `pay-here.example/x` is only a name.
#[must_use]
pub fn single_line(value: &str, max_chars: usize) -> String {
    let mut line = String::with_capacity(value.len().min(max_chars * 4));
    let mut length = 0;
    for character in value.chars().take(max_chars * 8) {
        if character.is_whitespace() {
            if length > 0 && !line.ends_with(' ') {
                line.push(' ');
                length += 1;
            }
        } else if shows(character) {
            line.push(character);
            length += 1;
        }
    }
    let line = unlinked(line.trim_end());
    if line.chars().count() <= max_chars { line.into_owned() } else { cut(&line, max_chars) }
}

/// Three full stops where the rest was: a reader must see that a payee's name goes on.
fn cut(line: &str, max_chars: usize) -> String {
    let kept: String = line.chars().take(max_chars.saturating_sub(3)).collect();
    format!("{}...", kept.trim_end())
}

/// Control characters, bidi and other invisible format characters, line and paragraph separators, private
/// and unassigned code points do not show.
fn shows(character: char) -> bool {
    !matches!(
        CodePointMapData::<GeneralCategory>::new().get(character),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::Surrogate
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Unassigned
    )
}

/// Puts a space before each dot that has the look of a host name (a name, a dot, two or more letters) and
/// takes `://` apart; the text stays readable and no program sees an address in it.
fn unlinked(line: &str) -> Cow<'_, str> {
    if !line.contains(is_dot) && !line.contains("://") {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len() + 8);
    for (index, character) in line.char_indices() {
        let after = &line[index + character.len_utf8()..];
        let after_name = plain.chars().next_back().is_some_and(char::is_alphanumeric);
        if is_dot(character) && after_name && starts_like_a_domain(after) {
            plain.push(' ');
        }
        plain.push(character);
        if character == ':' && after.starts_with("//") {
            plain.push(' ');
        }
    }
    Cow::Owned(plain)
}

/// The full stops that IDNA reads as a label separator (UTS 46, section 2.3).
const fn is_dot(character: char) -> bool {
    matches!(character, '.' | '。' | '．' | '｡')
}

fn starts_like_a_domain(rest: &str) -> bool {
    let mut characters = rest.chars();
    let first = characters.next().is_some_and(char::is_alphabetic);
    first && characters.next().is_some_and(|second| second.is_alphanumeric() || second == '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stays_as_it_is() {
        for name in
            ["NORD PARTS LTD", "Sp. z o.o. Łódź", "3.5 Ltd", "北京烤鸭", "O'Neil & Söhne <GmbH>", "S.p.A."]
        {
            assert_eq!(single_line(name, 40), name);
        }
    }

    #[test]
    fn line_breaks_become_one_space() {
        for breaks in ["\n", "\r\n", "\n\n", "\u{2028}", "\u{2029}", "\u{85}", "\u{b}", "\t \n"] {
            assert_eq!(single_line(&format!("ACME{breaks}@evil #1"), 40), "ACME @evil #1", "{breaks:?}");
        }
    }

    #[test]
    fn what_does_not_show_is_dropped() {
        let hidden =
            "\u{0}\u{1b}\u{7f}\u{200b}\u{200f}\u{202e}\u{2066}\u{2069}\u{feff}\u{ad}\u{e0041}\u{e000}";
        assert_eq!(single_line(&format!("AC{hidden}ME"), 40), "ACME");
        assert_eq!(single_line(hidden, 40), "");
    }

    #[test]
    fn addresses_are_taken_apart() {
        assert_eq!(single_line("https://evil.example/x", 40), "https: //evil .example/x");
        assert_eq!(single_line("www.evil.co", 40), "www .evil .co");
        assert_eq!(single_line("evil。中国", 40), "evil 。中国");
        assert_eq!(single_line("a@b.de", 40), "a@b .de");
        // A hidden character between the dot and the name does not help.
        assert_eq!(single_line("evil.\u{200d}com", 40), "evil .com");
    }

    #[test]
    fn a_long_name_is_cut_where_it_shows() {
        assert_eq!(single_line("abcdefghij", 10), "abcdefghij");
        assert_eq!(single_line("abcdefghijk", 10), "abcdefg...");
        assert_eq!(single_line(&"x".repeat(100_000), 40).len(), 40);
        assert_eq!(single_line("", 40), "");
        assert_eq!(single_line("   ", 40), "");
    }
}
