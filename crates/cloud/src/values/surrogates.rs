/// Replaces each `\uXXXX` that is half of a surrogate pair by the replacement character; `None`
/// when there is none, so that the text was refused for another reason.
pub(super) fn replace_lone_surrogates(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut repaired = String::new();
    let mut copied = 0;
    let mut at = 0;
    while let Some(offset) = text[at..].find('\\') {
        let start = at + offset;
        let Some(unit) = unit_at(bytes, start) else {
            // The character after the backslash is part of the escape, even another backslash.
            at = next_boundary(text, start + 1);
            continue;
        };
        at = start + 6;
        let pair = is_high(unit) && unit_at(bytes, at).is_some_and(is_low);
        if pair {
            at += 6;
        } else if is_high(unit) || is_low(unit) {
            repaired.push_str(&text[copied..start]);
            repaired.push('\u{fffd}');
            copied = at;
        }
    }
    if copied == 0 {
        return None;
    }
    repaired.push_str(&text[copied..]);
    Some(repaired)
}

/// The UTF-16 unit of the escape at `start`, if it is one of six characters.
fn unit_at(bytes: &[u8], start: usize) -> Option<u16> {
    let digits = bytes.get(start..start + 6)?.strip_prefix(b"\\u")?;
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

fn next_boundary(text: &str, at: usize) -> usize {
    text.ceil_char_boundary((at + 1).min(text.len()))
}

const fn is_high(unit: u16) -> bool {
    matches!(unit, 0xd800..=0xdbff)
}

const fn is_low(unit: u16) -> bool {
    matches!(unit, 0xdc00..=0xdfff)
}
