//! Sums of mixed numbers: integers exact, doubles with their rounding errors kept, decimals apart.

use bson::Bson;

use crate::decimal::Decimal;
use crate::number::Number;

/// A running sum. Its result has the widest type that was added.
#[derive(Clone, Debug, Default)]
pub(crate) struct Summation {
    sum: f64,
    error: f64,
    /// The plain sum, which knows infinities and NaN.
    special: f64,
    decimal: Option<Decimal>,
    widest: Widest,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Widest {
    #[default]
    Int32,
    Int64,
    Double,
    Decimal,
}

impl Summation {
    pub(crate) fn add(&mut self, number: Number) {
        let kind = match number {
            Number::Int32(value) => {
                self.add_double(value.into());
                Widest::Int32
            }
            Number::Int64(value) => {
                self.add_long(value);
                Widest::Int64
            }
            Number::Double(value) => {
                self.add_double(value);
                Widest::Double
            }
            Number::Decimal(value) => {
                self.decimal = Some(self.decimal.map_or(value, |sum| sum.add(value)));
                Widest::Decimal
            }
        };
        self.widest = self.widest.max(kind);
    }

    /// Adds 64 bits without loss, in two halves that doubles hold exactly.
    pub(crate) fn add_long(&mut self, value: i64) {
        let low = value % (1 << 32);
        self.add_double(low as f64);
        self.add_double((value - low) as f64);
    }

    fn add_double(&mut self, value: f64) {
        self.special += value;
        let (value, lost) = two_sum(value, self.error);
        let (sum, value) = two_sum(self.sum, value);
        let lost = lost + value;
        self.sum = sum + lost;
        self.error = lost - (self.sum - sum);
    }

    /// The sum in the widest type that was added; integers that outgrow theirs widen.
    pub(crate) fn result(&self) -> Bson {
        match self.widest {
            Widest::Decimal => Bson::Decimal128(self.to_decimal().pack()),
            Widest::Double => Bson::Double(self.to_double()),
            widest => match self.to_long() {
                Some(sum) if widest == Widest::Int64 => Bson::Int64(sum),
                Some(sum) => i32::try_from(sum).map_or(Bson::Int64(sum), Bson::Int32),
                None => Bson::Double(self.to_double()),
            },
        }
    }

    pub(crate) fn is_decimal(&self) -> bool {
        self.widest == Widest::Decimal
    }

    pub(crate) fn to_double(&self) -> f64 {
        if self.sum.is_nan() { self.special } else { self.sum }
    }

    /// The sum and what rounding took from it.
    pub(crate) fn to_doubles(&self) -> (f64, f64) {
        if self.sum.is_nan() { (self.special, 0.0) } else { (self.sum, self.error) }
    }

    pub(crate) fn to_decimal(&self) -> Decimal {
        let (sum, error) = self.to_doubles();
        let doubles = Decimal::from_double(sum).add(Decimal::from_double(error));
        self.decimal.map_or(doubles, |decimal| decimal.add(doubles))
    }

    /// The sum of what is not decimal as a whole number, if it fits.
    pub(crate) fn to_long(&self) -> Option<i64> {
        if !self.sum.is_finite() {
            return None;
        }
        let whole = self.sum.trunc();
        i64::try_from(whole as i128 + ((self.sum - whole) + self.error).trunc() as i128).ok()
    }
}

/// A sum and its rounding error (Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let b_rounded = sum - a;
    (sum, (a - (sum - b_rounded)) + (b - b_rounded))
}
