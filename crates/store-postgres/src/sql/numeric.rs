//! `numeric` in Postgres' binary form: digits to the base of ten thousand
//! (`src/backend/utils/adt/numeric.c`, `numeric_send`).

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEGATIVE_INFINITY: u16 = 0xf000;
/// Decimal digits in one digit of the base.
const GROUP: i64 = 4;

/// Writes a decimal as text says it; nothing for a text that is no number.
pub(super) fn encode(text: &str) -> Option<Vec<u8>> {
    let special = match text {
        "NaN" => Some(NAN),
        "Infinity" => Some(INFINITY),
        "-Infinity" => Some(NEGATIVE_INFINITY),
        _ => None,
    };
    if let Some(sign) = special {
        return Some(frame(0, sign, 0, &[]));
    }
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (NEGATIVE, rest),
        None => (POSITIVE, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i64 = exponent.strip_prefix('+').unwrap_or(exponent).parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // The value is `digits` with the point behind so many of them.
    let point = i64::try_from(whole.len()).ok()? + exponent;
    let scale = u16::try_from((i64::try_from(digits.len()).ok()? - point).max(0)).ok()?;
    let first_group = (point - 1).div_euclid(GROUP);
    let padding = usize::try_from((first_group + 1) * GROUP - point).ok()?;
    let mut padded = vec![b'0'; padding];
    padded.extend_from_slice(&digits);
    padded.resize(padded.len().next_multiple_of(4), b'0');
    let mut groups: Vec<u16> = padded
        .chunks(4)
        .map(|group| group.iter().fold(0, |value, digit| value * 10 + u16::from(digit - b'0')))
        .collect();
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let weight = if groups.is_empty() { 0 } else { first_group - i64::try_from(leading).ok()? };
    Some(frame(i16::try_from(weight).ok()?, if groups.is_empty() { POSITIVE } else { sign }, scale, &groups))
}

fn frame(weight: i16, sign: u16, scale: u16, groups: &[u16]) -> Vec<u8> {
    let count = u16::try_from(groups.len()).unwrap_or(u16::MAX);
    let mut out = Vec::with_capacity(8 + groups.len() * 2);
    out.extend_from_slice(&count.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(&scale.to_be_bytes());
    groups.iter().for_each(|group| out.extend_from_slice(&group.to_be_bytes()));
    out
}

/// Reads a number as decimal text; nothing for bytes that are none.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let mut numbers = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    let (count, weight) = (numbers.next()?, numbers.next()?.cast_signed());
    let (sign, scale) = (numbers.next()?, usize::from(numbers.next()?));
    match sign {
        NAN => return Some("NaN".to_owned()),
        INFINITY => return Some("Infinity".to_owned()),
        NEGATIVE_INFINITY => return Some("-Infinity".to_owned()),
        _ => {}
    }
    let groups: Vec<u16> = numbers.take(usize::from(count)).collect();
    let group = |at: i32| usize::try_from(at).ok().and_then(|at| groups.get(at)).copied().unwrap_or(0);
    let mut out = if sign == NEGATIVE { "-".to_owned() } else { String::new() };
    let weight = i32::from(weight);
    let whole: String = (0..=weight).map(|at| format!("{:04}", group(at))).collect();
    let whole = whole.trim_start_matches('0');
    out.push_str(if whole.is_empty() { "0" } else { whole });
    if scale > 0 {
        let first = weight + 1;
        let count = i32::try_from(scale.div_ceil(4)).ok()?;
        let fraction: String = (first..first + count).map(|at| format!("{:04}", group(at))).collect();
        out.push('.');
        out.push_str(fraction.get(..scale)?);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_written_as_they_are_read() {
        for (text, read) in [
            ("0", "0"),
            ("-0", "0"),
            ("1", "1"),
            ("-12345.678", "-12345.678"),
            ("0.00012", "0.00012"),
            ("10000", "10000"),
            ("1E+3", "1000"),
            ("1.50", "1.50"),
            ("12E-5", "0.00012"),
            ("9999999999999999999999999999999999", "9999999999999999999999999999999999"),
            ("NaN", "NaN"),
            ("-Infinity", "-Infinity"),
        ] {
            assert_eq!(decode(&encode(text).unwrap()).unwrap(), read, "{text}");
        }
        for text in ["", "x", "1x", "-", "1.2.3", "e5"] {
            assert_eq!(encode(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whole_numbers_survive(number in any::<i64>()) {
            let text = number.to_string();
            prop_assert_eq!(decode(&encode(&text).unwrap()).unwrap(), text);
        }

        #[test]
        fn fractions_survive(whole in 0..100_000_u32, digits in 1..12_usize, fraction in any::<u32>()) {
            let fraction = format!("{fraction:012}");
            let text = format!("{whole}.{}", &fraction[12 - digits..]);
            prop_assert_eq!(decode(&encode(&text).unwrap()).unwrap(), text);
        }
    }
}
