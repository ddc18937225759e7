//! Decimals from text.

use super::{BASE, Decimal, finish, jam};

impl Decimal {
    /// Reads digits with an optional sign, point and exponent, or `Infinity`, `inf`, `NaN` in any
    /// case, rounding to 34 digits; `None` for anything else and for what is out of range.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        match text.to_ascii_lowercase().as_str() {
            "nan" => return Some(Self::NaN),
            "inf" | "infinity" => return Some(Self::Infinity { negative }),
            _ => {}
        }
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = || whole.bytes().chain(fraction.bytes());
        if digits().next().is_none() || !digits().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let mut exponent = exponent.parse::<i32>().ok()?.checked_sub(i32::try_from(fraction.len()).ok()?)?;
        let (mut coefficient, mut sticky) = (0u128, false);
        for digit in digits() {
            if coefficient < BASE {
                coefficient = coefficient * 10 + u128::from(digit - b'0');
            } else {
                sticky |= digit != b'0';
                exponent = exponent.checked_add(1)?;
            }
        }
        let value = finish(negative, jam(coefficient, sticky), exponent);
        let lost = coefficient != 0 && (value.is_zero() || !value.is_finite());
        (!lost).then_some(value)
    }
}
