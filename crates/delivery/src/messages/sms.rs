//! What a text costs as an SMS: its encoding and its number of segments (3GPP TS 23.038 and 23.040).

use icu_normalizer::DecomposingNormalizerBorrowed;
use icu_properties::{CodePointMapData, props::GeneralCategory};

/// The alphabet a text needs. One character outside GSM-7 moves the whole text to UCS-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmsEncoding {
    /// The 7-bit default alphabet with its extension table.
    Gsm7,
    /// 16-bit code units.
    Ucs2,
}

impl SmsEncoding {
    /// The name used in logs, templates and answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "gsm7",
            Self::Ucs2 => "ucs2",
        }
    }

    /// Units that fit a message of one segment, and units that fit each segment of a longer one, which
    /// loses six octets to the concatenation header.
    const fn capacity(self) -> (usize, usize) {
        match self {
            Self::Gsm7 => (160, 153),
            Self::Ucs2 => (70, 67),
        }
    }

    /// Units that one character takes; `None` when this alphabet does not have it.
    fn units(self, character: char) -> Option<usize> {
        match self {
            Self::Gsm7 => septets(character),
            Self::Ucs2 => Some(character.len_utf16()),
        }
    }
}

/// What a carrier will bill for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SmsSize {
    /// The alphabet.
    pub encoding: SmsEncoding,
    /// Segments sent, at least 1.
    pub segments: u8,
    /// Septets (GSM-7) or 16-bit code units (UCS-2) of the whole text.
    pub units: u16,
}

/// Measures a text. A character that takes two units is never split over two segments, so a long text
/// may waste a unit at each border.
#[must_use]
pub fn measure(text: &str) -> SmsSize {
    let encoding = if is_gsm7(text) { SmsEncoding::Gsm7 } else { SmsEncoding::Ucs2 };
    let (single, part) = encoding.capacity();
    let (mut units, mut segments, mut used) = (0_usize, 1_usize, 0_usize);
    for wide in text.chars().filter_map(|character| encoding.units(character)) {
        units += wide;
        if used + wide > part {
            segments += 1;
            used = 0;
        }
        used += wide;
    }
    if units <= single {
        segments = 1;
    }
    SmsSize {
        encoding,
        segments: u8::try_from(segments).unwrap_or(u8::MAX),
        units: u16::try_from(units).unwrap_or(u16::MAX),
    }
}

/// Whether every character is in the 7-bit alphabet or its extension table.
pub(super) fn is_gsm7(text: &str) -> bool {
    text.chars().all(|character| septets(character).is_some())
}

/// Septets of one character: one in the default alphabet (TS 23.038, 6.2.1), two in the extension table
/// (6.2.1.1), where an escape stands before it.
fn septets(character: char) -> Option<usize> {
    match character {
        '^' | '{' | '}' | '\\' | '[' | '~' | ']' | '|' | '€' | '\u{c}' => Some(2),
        '`' => None,
        ' '..='~' | '\n' | '\r' => Some(1),
        '£' | '¥' | 'è' | 'é' | 'ù' | 'ì' | 'ò' | 'Ç' | 'Ø' | 'ø' | 'Å' | 'å' => Some(1),
        'Δ' | 'Φ' | 'Γ' | 'Λ' | 'Ω' | 'Π' | 'Ψ' | 'Σ' | 'Θ' | 'Ξ' => Some(1),
        'Æ' | 'æ' | 'ß' | 'É' | '¤' | '¡' | 'Ä' | 'Ö' | 'Ñ' | 'Ü' | '§' | '¿' => Some(1),
        'ä' | 'ö' | 'ñ' | 'ü' | 'à' => Some(1),
        _ => None,
    }
}

/// The text in GSM-7, with the letters that alphabet lacks written without their marks (ó → o, ł → l), as
/// short messages in Polish, Czech, Spanish, Portuguese or Turkish commonly are: one segment instead of
/// two or three. `None` when something remains that no such letter stands for, a Cyrillic brand say; the
/// text is then better left as it is.
pub(super) fn fold_to_gsm7(text: &str) -> Option<String> {
    let normalizer = DecomposingNormalizerBorrowed::new_nfd();
    let mut folded = String::with_capacity(text.len());
    for character in text.chars() {
        if septets(character).is_some() {
            folded.push(character);
        } else if let Some(plain) = plain_form(character) {
            folded.push_str(plain);
        } else {
            let marked = normalizer.normalize_iter(std::iter::once(character));
            folded.extend(marked.filter(|part| !is_mark(*part)));
        }
    }
    is_gsm7(&folded).then_some(folded)
}

fn is_mark(character: char) -> bool {
    CodePointMapData::<GeneralCategory>::new().get(character) == GeneralCategory::NonspacingMark
}

/// Letters and punctuation that Unicode does not decompose.
const fn plain_form(character: char) -> Option<&'static str> {
    Some(match character {
        'ł' => "l",
        'Ł' => "L",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'ı' => "i",
        'œ' => "oe",
        'Œ' => "OE",
        'ħ' => "h",
        'Ħ' => "H",
        '‘' | '’' | '‚' | '`' | '´' => "'",
        '“' | '”' | '„' | '«' | '»' => "\"",
        '–' | '—' | '‐' | '‑' | '−' => "-",
        '…' => "...",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(text: &str) -> (SmsEncoding, u8, u16) {
        let size = measure(text);
        (size.encoding, size.segments, size.units)
    }

    #[test]
    fn gsm7_segments_at_each_border() {
        use SmsEncoding::Gsm7;
        for (length, segments) in [(0, 1), (1, 1), (159, 1), (160, 1), (161, 2), (305, 2), (306, 2), (307, 3)]
        {
            assert_eq!(size(&"a".repeat(length)), (Gsm7, segments, length as u16), "{length} septets");
        }
    }

    #[test]
    fn ucs2_segments_at_each_border() {
        use SmsEncoding::Ucs2;
        for (length, segments) in [(1, 1), (69, 1), (70, 1), (71, 2), (133, 2), (134, 2), (135, 3)] {
            assert_eq!(size(&"ж".repeat(length)), (Ucs2, segments, length as u16), "{length} units");
        }
    }

    #[test]
    fn an_extension_character_counts_two_and_is_not_split() {
        assert_eq!(size(&"€".repeat(80)), (SmsEncoding::Gsm7, 1, 160));
        // 152 septets, then an escape pair that would lie across the border of 153.
        let text = format!("{}€{}", "a".repeat(152), "a".repeat(152));
        assert_eq!(size(&text), (SmsEncoding::Gsm7, 3, 306));
        let text = format!("{}€{}", "a".repeat(151), "a".repeat(153));
        assert_eq!(size(&text), (SmsEncoding::Gsm7, 2, 306));
    }

    #[test]
    fn a_surrogate_pair_counts_two_and_is_not_split() {
        assert_eq!(size(&"😀".repeat(35)), (SmsEncoding::Ucs2, 1, 70));
        let text = format!("{}😀{}", "ж".repeat(66), "ж".repeat(66));
        assert_eq!(size(&text), (SmsEncoding::Ucs2, 3, 134));
        let text = format!("{}😀{}", "ж".repeat(65), "ж".repeat(67));
        assert_eq!(size(&text), (SmsEncoding::Ucs2, 2, 134));
    }

    #[test]
    fn one_foreign_character_moves_the_whole_text() {
        assert_eq!(size(&"a".repeat(70)).0, SmsEncoding::Gsm7);
        assert_eq!(size(&format!("{}ó", "a".repeat(70))), (SmsEncoding::Ucs2, 2, 71));
    }

    #[test]
    fn absurdly_long_texts_saturate_instead_of_wrapping() {
        assert_eq!(size(&"a".repeat(100_000)), (SmsEncoding::Gsm7, u8::MAX, u16::MAX));
    }

    /// An independent implementation of the same table has the last word on every BMP character.
    #[test]
    fn the_alphabet_agrees_with_an_independent_table() {
        for character in (0..=0xffff_u32).filter_map(char::from_u32).filter(|c| *c != '\u{1b}') {
            let mut writer = gsm7::Gsm7Writer::new(Vec::new());
            let theirs = writer.write_char(character).is_ok();
            assert_eq!(septets(character).is_some(), theirs, "{character:?}");
        }
    }

    #[test]
    fn folding_takes_the_marks_and_leaves_the_letters() {
        assert_eq!(fold_to_gsm7("Zażółć gęślą jaźń").as_deref(), Some("Zazolc gesla jazn"));
        assert_eq!(fold_to_gsm7("İşlem onayı ‘ö’…").as_deref(), Some("Islem onayi 'ö'..."));
        assert_eq!(fold_to_gsm7("naïve Œuvre – ça").as_deref(), Some("naive OEuvre - ca"));
        assert_eq!(fold_to_gsm7("Банк"), None);
        assert_eq!(fold_to_gsm7("😀"), None);
    }
}
