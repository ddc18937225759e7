//! The four numeric types as one, compared by their exact values.

use std::cmp::Ordering;

use bson::Bson;

use crate::decimal::Decimal;

/// A BSON number.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Int32(i32),
    Int64(i64),
    Double(f64),
    Decimal(Decimal),
}

impl Number {
    pub(crate) fn of(value: &Bson) -> Option<Self> {
        Some(match value {
            Bson::Int32(value) => Self::Int32(*value),
            Bson::Int64(value) => Self::Int64(*value),
            Bson::Double(value) => Self::Double(*value),
            Bson::Decimal128(value) => Self::Decimal(Decimal::unpack(*value)),
            _ => return None,
        })
    }

    pub(crate) fn into_bson(self) -> Bson {
        match self {
            Self::Int32(value) => Bson::Int32(value),
            Self::Int64(value) => Bson::Int64(value),
            Self::Double(value) => Bson::Double(value),
            Self::Decimal(value) => Bson::Decimal128(value.pack()),
        }
    }

    pub(crate) fn is_nan(self) -> bool {
        match self {
            Self::Double(value) => value.is_nan(),
            Self::Decimal(value) => value.is_nan(),
            _ => false,
        }
    }

    pub(crate) fn is_zero(self) -> bool {
        match self {
            Self::Int32(value) => value == 0,
            Self::Int64(value) => value == 0,
            Self::Double(value) => value == 0.0,
            Self::Decimal(value) => value.is_zero(),
        }
    }

    pub(crate) fn to_double(self) -> f64 {
        match self {
            Self::Int32(value) => f64::from(value),
            Self::Int64(value) => value as f64,
            Self::Double(value) => value,
            Self::Decimal(value) => value.to_double(),
        }
    }

    /// As a decimal, a double keeping 15 digits.
    pub(crate) fn to_decimal(self) -> Decimal {
        match self {
            Self::Int32(value) => Decimal::from_int(value.into()),
            Self::Int64(value) => Decimal::from_int(value.into()),
            Self::Double(value) => Decimal::from_double_15(value),
            Self::Decimal(value) => value,
        }
    }

    /// The value if it is a whole number that fits in 64 bits.
    pub(crate) fn to_exact_i64(self) -> Option<i64> {
        match self {
            Self::Int32(value) => Some(value.into()),
            Self::Int64(value) => Some(value),
            Self::Double(value) => exact_i64(value),
            Self::Decimal(value) => {
                let whole = value.to_int(crate::decimal::Rounding::Truncate)?;
                let same = compare_numbers(Self::Int64(whole), self) == Ordering::Equal;
                same.then_some(whole)
            }
        }
    }

    fn as_i64(self) -> Option<i64> {
        match self {
            Self::Int32(value) => Some(value.into()),
            Self::Int64(value) => Some(value),
            _ => None,
        }
    }
}

/// A double as the 64-bit integer it equals.
pub(crate) fn exact_i64(value: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    (value.trunc() == value && (-LIMIT..LIMIT).contains(&value)).then_some(value as i64)
}

/// Orders numbers by value whatever their types; NaN is below all and equal to itself.
pub(crate) fn compare_numbers(left: Number, right: Number) -> Ordering {
    match (left, right) {
        (Number::Double(l), Number::Double(r)) => compare_doubles(l, r),
        (Number::Decimal(_), _) | (_, Number::Decimal(_)) => NumberKey::of(left).cmp(&NumberKey::of(right)),
        (Number::Double(l), r) => compare_int_double(r.as_i64().unwrap_or(0), l).reverse(),
        (l, Number::Double(r)) => compare_int_double(l.as_i64().unwrap_or(0), r),
        (l, r) => l.as_i64().cmp(&r.as_i64()),
    }
}

fn compare_doubles(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right).unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

fn compare_int_double(left: i64, right: f64) -> Ordering {
    if right.is_nan() {
        return Ordering::Greater;
    }
    // Saturates beyond 128 bits, far outside what `left` can be.
    let whole = right.trunc();
    i128::from(left).cmp(&(whole as i128)).then_with(|| compare_doubles(whole, right))
}

/// A number as what orders it: the greatest double not above it, and, where that is not the number
/// itself, all its decimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct NumberKey {
    floor: u64,
    rest: Option<Vec<u8>>,
}

impl NumberKey {
    pub(crate) fn of(number: Number) -> Self {
        match number {
            Number::Int32(value) => Self::exact(value.into()),
            Number::Double(value) => Self::exact(value),
            Number::Int64(value) => {
                let nearest = value as f64;
                let order = i128::from(value).cmp(&(nearest as i128));
                Self::beside(nearest, order, || Digits::of_int(value))
            }
            Number::Decimal(Decimal::Finite { coefficient: 0, .. }) => Self::exact(0.0),
            Number::Decimal(value @ Decimal::Finite { negative, coefficient, exponent }) => {
                let digits = Digits::of_decimal(negative, coefficient, exponent);
                let nearest = value.to_double();
                let order = if nearest.is_infinite() {
                    if negative { Ordering::Greater } else { Ordering::Less }
                } else {
                    digits.cmp(&Digits::of_double(nearest))
                };
                Self::beside(nearest, order, || digits)
            }
            Number::Decimal(value) => Self::exact(value.to_double()),
        }
    }

    fn exact(value: f64) -> Self {
        Self { floor: sortable(value), rest: None }
    }

    /// The key of a number whose nearest double compares as `order` says.
    fn beside(nearest: f64, order: Ordering, digits: impl FnOnce() -> Digits) -> Self {
        let floor = match order {
            Ordering::Equal => return Self::exact(nearest),
            Ordering::Greater => nearest,
            Ordering::Less => nearest.next_down(),
        };
        Self { floor: sortable(floor), rest: Some(digits().sortable()) }
    }

    /// Appends bytes that `memcmp` orders as the numbers are; none is a prefix of another.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.floor.to_be_bytes());
        match &self.rest {
            None => out.push(0),
            Some(rest) => {
                out.push(1);
                out.extend_from_slice(rest);
            }
        }
    }
}

/// Bits that order as the doubles do, NaN first.
fn sortable(value: f64) -> u64 {
    if value.is_nan() {
        return 0;
    }
    let bits = (value + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// All digits of a number: `0.d1d2d3… * 10^exponent`, without trailing zeros.
#[derive(Debug, PartialEq, Eq)]
struct Digits {
    negative: bool,
    exponent: i32,
    digits: Vec<u8>,
}

impl Digits {
    fn of_int(value: i64) -> Self {
        Self::of_decimal(value < 0, value.unsigned_abs().into(), 0)
    }

    fn of_decimal(negative: bool, coefficient: u128, exponent: i32) -> Self {
        let mut digits = coefficient.to_string().into_bytes();
        let exponent = exponent + digits.len() as i32;
        trim(&mut digits);
        Self { negative, exponent, digits }
    }

    /// A double has at most 767 significant decimal digits.
    fn of_double(value: f64) -> Self {
        if value == 0.0 {
            return Self { negative: false, exponent: i32::MIN, digits: Vec::new() };
        }
        let text = format!("{:.766e}", value.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let mut digits: Vec<u8> = mantissa.bytes().filter(u8::is_ascii_digit).collect();
        trim(&mut digits);
        Self { negative: value < 0.0, exponent: exponent.parse::<i32>().unwrap_or(0) + 1, digits }
    }

    fn sortable(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.digits.len() + 4);
        out.extend_from_slice(&((self.exponent + 0x4000) as u16).to_be_bytes());
        out.extend_from_slice(&self.digits);
        out.push(0);
        if self.negative {
            out.iter_mut().for_each(|byte| *byte = !*byte);
        }
        out
    }

    fn cmp(&self, other: &Self) -> Ordering {
        let magnitude = self.exponent.cmp(&other.exponent).then_with(|| self.digits.cmp(&other.digits));
        match (self.negative, other.negative) {
            (false, false) => magnitude,
            (true, true) => magnitude.reverse(),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

fn trim(digits: &mut Vec<u8>) {
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
}
