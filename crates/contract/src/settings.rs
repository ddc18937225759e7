//! Types of settings that every part's config uses, so that each is written the same way.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time, written as a number and a unit: `250ms`, `30s`, `1.5h`.
///
/// Units: `us`, `ms`, `s`, `m`, `h`, `d`. A number without one is refused, because nobody can
/// tell seconds from milliseconds by looking at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// So many seconds.
    pub const fn from_secs(secs: u64) -> Self {
        Self(std::time::Duration::from_secs(secs))
    }

    /// So many milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// As the standard library's type.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

/// Units of time from large to small, in microseconds.
const TIME_UNITS: &[(&str, u64)] = &[
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX), TIME_UNITS, "0s")
    }
}

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_in_units(text, TIME_UNITS)
            .map(|micros| Self(std::time::Duration::from_micros(micros)))
            .map_err(|fault| fault.explain(text, "s", "a duration such as \"30s\" or \"250ms\""))
    }
}

/// A number of bytes, written with a unit: `64KiB`, `10MiB`, `1.5GB`.
///
/// Units: `B`, `KB`, `MB`, `GB`, `TB` (powers of 1000) and `KiB`, `MiB`, `GiB`, `TiB` (powers of
/// 1024). A number without one is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct ByteSize(u64);

impl ByteSize {
    /// So many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// So many times 1024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// So many times 1024² bytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a length in memory.
    pub const fn as_usize(self) -> usize {
        if self.0 > usize::MAX as u64 { usize::MAX } else { self.0 as usize }
    }
}

/// Units of size from large to small: binary ones first, because they are what is printed.
const SIZE_UNITS: &[(&str, u64)] = &[
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("B", 1),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_in_units(f, self.0, SIZE_UNITS, "0B")
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse_in_units(text, SIZE_UNITS)
            .map(Self)
            .map_err(|fault| fault.explain(text, "MiB", "a size such as \"10MiB\" or \"64KiB\""))
    }
}

/// What is wrong with a quantity.
enum Fault {
    Unit,
    Malformed,
    Large,
}

impl Fault {
    fn explain(&self, text: &str, unit: &str, expected: &str) -> String {
        match self {
            Self::Unit => {
                format!("{text:?} has no unit: write {:?}, or {expected}", format!("{}{unit}", text.trim()))
            }
            Self::Malformed => format!("{text:?} is not {expected}"),
            Self::Large => format!("{text:?} is too large: expected {expected}"),
        }
    }
}

fn parse_in_units(text: &str, units: &[(&str, u64)]) -> Result<u64, Fault> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..split], text[split..].trim_start());
    if number.is_empty() {
        return Err(Fault::Malformed);
    }
    if unit.is_empty() {
        return Err(Fault::Unit);
    }
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(Fault::Malformed)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    // Twelve digits keep the product below 2^128 and say more than any unit can hold.
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 12 || fraction.contains('.') {
        return Err(Fault::Malformed);
    }
    let whole: u64 = whole.parse().map_err(|_| Fault::Large)?;
    let part: u128 = fraction.parse().map_err(|_| Fault::Malformed)?;
    let scale = 10u128.pow(u32::try_from(fraction.len()).map_err(|_| Fault::Malformed)?);
    let total = u128::from(whole) * u128::from(*factor) + part * u128::from(*factor) / scale;
    u64::try_from(total).map_err(|_| Fault::Large)
}

/// Writes the largest unit that divides `value`, so that nothing is rounded away.
fn write_in_units(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)], zero: &str) -> fmt::Result {
    match units.iter().find(|(_, factor)| value != 0 && value.is_multiple_of(*factor)) {
        Some((name, factor)) => write!(f, "{}{name}", value / factor),
        None => f.write_str(zero),
    }
}

/// A text that must not be shown: a token, a key, a password, or a URL that holds one. Printed,
/// logged or serialized it is masked; only [`Secret::expose`] gives it away.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// What stands in its place wherever it would be shown.
    pub const MASK: &'static str = "******";

    /// Keeps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is no text.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if self.is_empty() { "" } else { Self::MASK })
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "writeOnly": true })
    }
}

/// Serde and schemars by way of `FromStr` and `Display`, with a number refused by a hint.
macro_rules! quantity {
    ($type:ident, $pattern:literal, $example:literal, $expected:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Quantity;

                impl Visitor<'_> for Quantity {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    fn visit_u64<E: de::Error>(self, number: u64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_i64<E: de::Error>(self, number: i64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }

                    fn visit_f64<E: de::Error>(self, number: f64) -> Result<$type, E> {
                        self.visit_str(&number.to_string())
                    }
                }

                deserializer.deserialize_str(Quantity)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "examples": [$example] })
            }
        }
    };
}

quantity!(
    Duration,
    r"^\s*\d+(\.\d{1,12})?\s*(us|ms|s|m|h|d)\s*$",
    "30s",
    "a duration such as \"30s\" or \"250ms\""
);
quantity!(
    ByteSize,
    r"^\s*\d+(\.\d{1,12})?\s*([KMGT]i?)?B\s*$",
    "10MiB",
    "a size such as \"10MiB\" or \"64KiB\""
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_printed() {
        for (text, millis, printed) in [
            ("30s", 30_000, "30s"),
            ("250ms", 250, "250ms"),
            ("1.5h", 5_400_000, "90m"),
            (" 2 m ", 120_000, "2m"),
            ("0s", 0, "0s"),
            ("7d", 604_800_000, "7d"),
        ] {
            let duration: Duration = text.parse().unwrap();
            assert_eq!(duration, Duration::from_millis(millis), "{text}");
            assert_eq!(duration.to_string(), printed);
        }
    }

    #[test]
    fn sizes_are_read_and_printed() {
        for (text, bytes, printed) in [
            ("10MiB", 10 << 20, "10MiB"),
            ("64KiB", 65_536, "64KiB"),
            ("1.5GiB", 1_610_612_736, "1536MiB"),
            ("10MB", 10_000_000, "10000000B"),
            ("0B", 0, "0B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size, ByteSize::bytes(bytes), "{text}");
            assert_eq!(size.to_string(), printed);
        }
    }

    #[test]
    fn a_missing_unit_is_refused_with_a_hint() {
        let error = "30".parse::<Duration>().unwrap_err();
        assert_eq!(error, "\"30\" has no unit: write \"30s\", or a duration such as \"30s\" or \"250ms\"");
        let error = "10".parse::<ByteSize>().unwrap_err();
        assert_eq!(error, "\"10\" has no unit: write \"10MiB\", or a size such as \"10MiB\" or \"64KiB\"");
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "s", "ms30", "-1s", "1..5s", ".5s", "5.s", "1w", "1e3s", "99999999999999999999s"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        for text in ["", "MiB", "10 M", "10mib", "-1B", "99999999999TiB"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_secret_shows_itself_to_nobody() {
        let secret = Secret::new("swordfish");
        assert_eq!(format!("{secret:?}"), Secret::MASK);
        assert_eq!(secret.expose(), "swordfish");
    }
}
