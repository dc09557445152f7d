//! The alphabets of a short message and the octets they make (3GPP TS 23.038, SMPP 3.4 section 5.2.19).

use crate::limits::USER_DATA_OCTETS;

/// The basic table of GSM-7 by code (TS 23.038, 6.2.1). 0x1B escapes to the extension table.
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ',
    'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'',
    '(', ')', '*', '+', ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<',
    '=', '>', '?', '¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q',
    'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f',
    'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä',
    'ö', 'ñ', 'ü', 'à',
];
/// The extension table (6.2.1.1).
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];
const ESCAPE: u8 = 0x1b;
/// What fills seven spare bits, so that they are not read as one more `@` (TS 23.038, 6.1.2.3.1).
const CARRIAGE_RETURN: u8 = 0x0d;

/// How a text is written as octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alphabet {
    /// GSM-7, one septet per octet: what most carriers expect.
    Gsm7,
    /// GSM-7, eight septets in seven octets, as on the air.
    Gsm7Packed,
    /// ISO 8859-1.
    Latin1,
    /// UTF-16, most significant octet first.
    Ucs2,
}

impl Alphabet {
    /// The value of `data_coding`.
    #[must_use]
    pub const fn data_coding(self) -> u8 {
        match self {
            Self::Gsm7 | Self::Gsm7Packed => 0,
            Self::Latin1 => 3,
            Self::Ucs2 => 8,
        }
    }

    /// The first alphabet of `preferred` that has every character of the text.
    #[must_use]
    pub fn of(text: &str, preferred: &[Self]) -> Option<Self> {
        preferred.iter().copied().find(|alphabet| text.chars().all(|letter| alphabet.units(letter).is_some()))
    }

    /// Units that a message holds behind a header of so many octets.
    pub(crate) const fn capacity(self, header_octets: usize) -> usize {
        let octets = USER_DATA_OCTETS - header_octets;
        match self {
            Self::Gsm7 | Self::Gsm7Packed => octets * 8 / 7,
            Self::Latin1 => octets,
            Self::Ucs2 => octets / 2,
        }
    }

    /// Units of one character: septets, octets or 16-bit words. `None` when the alphabet does not have it.
    pub(crate) fn units(self, letter: char) -> Option<usize> {
        match self {
            Self::Gsm7 | Self::Gsm7Packed => septets(letter).map(|(escape, _)| usize::from(escape) + 1),
            Self::Latin1 => u8::try_from(u32::from(letter)).ok().map(|_| 1),
            Self::Ucs2 => Some(letter.len_utf16()),
        }
    }

    /// The octets of a text whose characters this alphabet has, behind a header of `header_octets`.
    pub(crate) fn encode(self, text: &str, header_octets: usize) -> Vec<u8> {
        match self {
            Self::Gsm7 => all_septets(text),
            Self::Gsm7Packed => pack(&all_septets(text), header_octets),
            Self::Latin1 => text.chars().filter_map(|letter| u8::try_from(u32::from(letter)).ok()).collect(),
            Self::Ucs2 => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        }
    }

    /// The text of octets behind a header of `header_octets`; what means nothing becomes `\u{fffd}`.
    #[must_use]
    pub fn decode(self, octets: &[u8], header_octets: usize) -> String {
        match self {
            Self::Gsm7 => of_septets(octets),
            Self::Gsm7Packed => of_septets(&unpack(octets, header_octets)),
            Self::Latin1 => octets.iter().copied().map(char::from).collect(),
            Self::Ucs2 => {
                let words = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                char::decode_utf16(words)
                    .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect()
            }
        }
    }
}

/// Whether the septet follows an escape, and the septet.
fn septets(letter: char) -> Option<(bool, u8)> {
    // Letters and digits stand where ASCII has them, all but a few.
    if letter.is_ascii_alphanumeric() || letter == ' ' {
        return Some((false, letter as u8));
    }
    if letter == '\u{1b}' {
        return None;
    }
    if let Some(code) = BASIC.iter().position(|basic| *basic == letter) {
        return u8::try_from(code).ok().map(|code| (false, code));
    }
    EXTENSION.iter().find(|(_, extended)| *extended == letter).map(|(code, _)| (true, *code))
}

fn all_septets(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    for (escape, septet) in text.chars().filter_map(septets) {
        if escape {
            octets.push(ESCAPE);
        }
        octets.push(septet);
    }
    octets
}

fn of_septets(septets: &[u8]) -> String {
    let mut text = String::with_capacity(septets.len());
    let mut septets = septets.iter().map(|septet| septet & 0x7f);
    while let Some(septet) = septets.next() {
        if septet != ESCAPE {
            text.push(BASIC[usize::from(septet)]);
            continue;
        }
        let Some(code) = septets.next() else { break };
        // A code the table lacks is shown as the basic table has it (6.2.1.1, note).
        let extended = EXTENSION.iter().find(|(extended, _)| *extended == code);
        text.push(extended.map_or(BASIC[usize::from(code)], |(_, letter)| *letter));
    }
    text
}

/// Spare bits between the end of the header and the next border of a septet.
const fn fill_bits(header_octets: usize) -> usize {
    (7 - header_octets * 8 % 7) % 7
}

fn pack(septets: &[u8], header_octets: usize) -> Vec<u8> {
    let mut octets = Vec::with_capacity(septets.len() * 7 / 8 + 2);
    let (mut pending, mut bits) = (0_u32, fill_bits(header_octets));
    let seven_spare = (bits + septets.len() * 7) % 8 == 1;
    let end = seven_spare.then_some(CARRIAGE_RETURN);
    for septet in septets.iter().copied().chain(end) {
        pending |= u32::from(septet) << bits;
        bits += 7;
        while bits >= 8 {
            octets.push((pending & 0xff) as u8);
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        octets.push((pending & 0xff) as u8);
    }
    octets
}

fn unpack(octets: &[u8], header_octets: usize) -> Vec<u8> {
    let skip = fill_bits(header_octets);
    let count = (octets.len() * 8).saturating_sub(skip) / 7;
    let mut septets: Vec<u8> = (0..count)
        .map(|index| {
            let bit = skip + index * 7;
            let pair =
                u16::from(octets[bit / 8]) | u16::from(octets.get(bit / 8 + 1).copied().unwrap_or(0)) << 8;
            ((pair >> (bit % 8)) & 0x7f) as u8
        })
        .collect();
    if (skip + count * 7).is_multiple_of(8) && septets.last() == Some(&CARRIAGE_RETURN) {
        septets.pop();
    }
    septets
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Alphabet; 4] = [Alphabet::Gsm7, Alphabet::Gsm7Packed, Alphabet::Latin1, Alphabet::Ucs2];

    /// An independent implementation of the same table has the last word on every BMP character.
    #[test]
    fn the_table_agrees_with_an_independent_one() {
        for letter in (0..=0xffff_u32).filter_map(char::from_u32).filter(|letter| *letter != '\u{1b}') {
            let mut writer = gsm7::Gsm7Writer::new(Vec::new());
            let theirs = writer.write_char(letter).is_ok().then(|| writer.into_writer().unwrap());
            let ours = Alphabet::Gsm7Packed.units(letter);
            assert_eq!(ours.is_some(), theirs.is_some(), "{letter:?}");
            if let Some(theirs) = theirs {
                assert_eq!(all_septets(&letter.to_string()), unpack(&theirs, 0), "{letter:?}");
            }
        }
    }

    #[test]
    fn what_is_packed_is_read_by_an_independent_one() {
        for length in 0..=153 {
            let text: String = "482913 is your Acme code: {€}Ω\n".chars().cycle().take(length).collect();
            for header in [0, 6] {
                let packed = Alphabet::Gsm7Packed.encode(&text, header);
                let spare = u32::try_from(fill_bits(header)).unwrap();
                let reader = gsm7::Gsm7Reader::new_with_bit_offset(&packed[..], spare);
                let theirs: String = reader.unwrap().map_while(Result::ok).collect();
                // It reads the filling of seven spare bits as the carriage return it is.
                assert_eq!(theirs.strip_suffix('\r').unwrap_or(&theirs), text, "{length} behind {header}");
            }
        }
    }

    #[test]
    fn hellohello_packs_as_in_every_textbook() {
        let packed = Alphabet::Gsm7Packed.encode("hellohello", 0);
        assert_eq!(packed, [0xE8, 0x32, 0x9B, 0xFD, 0x46, 0x97, 0xD9, 0xEC, 0x37]);
    }

    #[test]
    fn every_length_survives_packing_with_and_without_a_header() {
        for length in 0..=160 {
            let text: String = "a1@€Ω ".chars().cycle().take(length).collect();
            for alphabet in [Alphabet::Gsm7, Alphabet::Gsm7Packed, Alphabet::Ucs2] {
                for header in [0, 6, 7] {
                    let back = alphabet.decode(&alphabet.encode(&text, header), header);
                    // Seven spare bits are filled with a carriage return, which then cannot be told from one.
                    assert_eq!(back, text, "{alphabet:?} {length} {header}");
                }
            }
        }
    }

    #[test]
    fn the_first_alphabet_that_has_everything_is_taken() {
        use Alphabet::{Gsm7, Latin1, Ucs2};
        let order = [Gsm7, Latin1, Ucs2];
        for (text, expected) in
            [("482913 is your code", Gsm7), ("Zürich 10 €", Gsm7), ("ça va", Latin1), ("код 1", Ucs2)]
        {
            assert_eq!(Alphabet::of(text, &order), Some(expected), "{text}");
        }
        assert_eq!(Alphabet::of("код", &[Gsm7, Latin1]), None);
    }

    #[test]
    fn capacities_are_those_of_the_air_interface() {
        assert_eq!(ALL.map(|alphabet| alphabet.capacity(0)), [160, 160, 140, 70]);
        assert_eq!(ALL.map(|alphabet| alphabet.capacity(6)), [153, 153, 134, 67]);
    }

    #[test]
    fn any_octets_can_be_read_in_any_alphabet() {
        for length in 0..20 {
            let octets: Vec<u8> = (0..length).map(|index| (index * 37 + 11) as u8).collect();
            for alphabet in ALL {
                let _ = alphabet.decode(&octets, 0);
                let _ = alphabet.decode(&octets, 6);
            }
        }
        assert_eq!(Alphabet::Gsm7.decode(&[ESCAPE], 0), "");
    }
}
