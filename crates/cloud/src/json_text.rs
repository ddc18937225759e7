//! Strings of JSON text, eight bytes at a time.

/// How many bytes of `text` stand for themselves in a JSON string, up to the first that is a quote,
/// a backslash or a control character.
pub fn plain_length(text: &[u8]) -> usize {
    let (words, tail) = text.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let special = special_bytes(u64::from_le_bytes(*word));
        if special != 0 {
            return index * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    let special = tail.iter().position(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\');
    words.len() * 8 + special.unwrap_or(tail.len())
}

/// The high bit of each byte that does not stand for itself. Bits above the lowest that is set may
/// be wrong: a borrow passes them.
fn special_bytes(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    let below = |bound: u64, word: u64| word.wrapping_sub(ONES * bound) & !word;
    let quote = below(1, word ^ (ONES * u64::from(b'"')));
    let backslash = below(1, word ^ (ONES * u64::from(b'\\')));
    (below(0x20, word) | quote | backslash) & HIGH
}

#[cfg(test)]
mod tests {
    use super::plain_length;

    #[test]
    fn stops_at_what_does_not_stand_for_itself() {
        for special in (0..0x20_u8).chain([b'"', b'\\']) {
            for before in 0..20 {
                let mut text = vec![0xC3; before];
                text.push(special);
                text.extend_from_slice(b"after\"");
                assert_eq!(plain_length(&text), before, "{special:#x} after {before}");
            }
        }
    }

    #[test]
    fn all_else_is_plain() {
        let text: Vec<u8> = (0x20..=0xFF).filter(|byte| !matches!(byte, b'"' | b'\\')).collect();
        for start in 0..text.len() {
            assert_eq!(plain_length(&text[start..]), text.len() - start);
        }
    }
}
