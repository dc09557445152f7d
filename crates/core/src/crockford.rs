//! Crockford's base32: digits and letters without I, L, O and U, which people mistake for digits or each other.

/// Its symbols, as people read them.
pub(crate) const CAPITALS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Its symbols, as machines write them.
pub(crate) const SMALL: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// 26 symbols of a 128-bit number, most significant first; the first stands for three bits.
pub(crate) fn of_128_bits(bytes: &[u8; 16], symbols: &'static [u8; 32]) -> impl Iterator<Item = u8> {
    let number = u128::from_be_bytes(*bytes);
    (0..26).map(move |place| symbols[((number >> (125 - 5 * place)) & 31) as usize])
}

/// The number that 26 small symbols stand for.
pub(crate) fn read_128_bits(text: &str) -> Option<[u8; 16]> {
    if text.len() != 26 || text.as_bytes()[0] > b'7' {
        return None;
    }
    let mut number = 0_u128;
    for symbol in text.bytes() {
        let digit = SMALL.iter().position(|known| *known == symbol)?;
        number = (number << 5) | digit as u128;
    }
    Some(number.to_be_bytes())
}

/// 52 small symbols of 256 bits, in their order; the last stands for one bit.
pub(crate) fn of_256_bits(bytes: &[u8; 32]) -> impl Iterator<Item = char> {
    let bit = |at: usize| bytes.get(at / 8).map_or(0, |byte| (byte >> (7 - at % 8)) & 1);
    (0..52).map(move |place| {
        let value = (0..5).fold(0_u8, |value, nth| (value << 1) | bit(place * 5 + nth));
        char::from(SMALL[usize::from(value)])
    })
}
