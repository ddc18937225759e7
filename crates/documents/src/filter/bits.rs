use bson::Bson;
use tandem_contract::Result;

use crate::error::{invalid, not_supported};
use crate::number::Number;

/// A test of single bits of a number or of binary data.
#[derive(Clone, Debug)]
pub(crate) struct Bits {
    positions: Vec<u64>,
    wanted: bool,
    all: bool,
}

impl Bits {
    /// Parses the operand of `$bitsAllSet` and its like: positions, a mask, or binary data as a mask.
    pub(super) fn parse(name: &str, operand: &Bson) -> Result<Self> {
        let positions = match operand {
            Bson::Array(positions) => {
                positions.iter().map(|position| natural(name, position)).collect::<Result<_>>()?
            }
            Bson::Binary(binary) => set_bits(&binary.bytes),
            mask => {
                let mask = natural(name, mask)?;
                set_bits(&mask.to_le_bytes())
            }
        };
        Ok(Self { positions, wanted: name.ends_with("Set"), all: name.starts_with("$bitsAll") })
    }

    /// # Errors
    /// `NotSupported` for decimals.
    pub(super) fn match_value(&self, value: &Bson) -> Result<bool> {
        let test: Box<dyn Fn(u64) -> bool> = match value {
            Bson::Binary(binary) => Box::new(|position| {
                let byte = usize::try_from(position / 8).ok().and_then(|index| binary.bytes.get(index));
                byte.is_some_and(|byte| byte >> (position % 8) & 1 == 1)
            }),
            Bson::Decimal128(_) => return Err(not_supported("tests of the bits of decimals")),
            number => match Number::of(number).and_then(Number::to_exact_i64) {
                // The sign extends for ever.
                Some(number) => Box::new(move |position| number >> position.min(63) & 1 == 1),
                None => return Ok(false),
            },
        };
        let fits = |position: &u64| test(*position) == self.wanted;
        Ok(if self.all { self.positions.iter().all(fits) } else { self.positions.iter().any(fits) })
    }
}

fn natural(name: &str, value: &Bson) -> Result<u64> {
    let number =
        Number::of(value).and_then(Number::to_exact_i64).and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| invalid(format!("{name} needs whole numbers that are not negative")))
}

fn set_bits(bytes: &[u8]) -> Vec<u64> {
    (0..bytes.len() as u64 * 8).filter(|bit| bytes[(bit / 8) as usize] >> (bit % 8) & 1 == 1).collect()
}
