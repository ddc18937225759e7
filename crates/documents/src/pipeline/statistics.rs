use bson::Bson;

use crate::decimal::Decimal;
use crate::expression::Summation;
use crate::number::Number;

/// A running average.
#[derive(Clone, Debug, Default)]
pub(crate) struct Average {
    sum: Summation,
    count: i64,
}

impl Average {
    pub(crate) fn add(&mut self, number: Number) {
        self.sum.add(number);
        self.count += 1;
    }

    /// A double, or a decimal if there was one; null when nothing was added.
    pub(crate) fn result(&self) -> Bson {
        if self.count == 0 {
            return Bson::Null;
        }
        if self.sum.is_decimal() {
            let count = Decimal::from_int(self.count.into());
            return Bson::Decimal128(self.sum.to_decimal().divide(count).pack());
        }
        Bson::Double(self.sum.to_double() / self.count as f64)
    }
}

/// A running standard deviation (Welford).
#[derive(Clone, Debug, Default)]
pub(crate) struct Deviation {
    count: i64,
    mean: f64,
    squares: f64,
}

impl Deviation {
    pub(crate) fn add(&mut self, number: Number) {
        let value = number.to_double();
        self.count += 1;
        let delta = value - self.mean;
        if delta != 0.0 {
            self.mean += delta / self.count as f64;
            self.squares += delta * (value - self.mean);
        }
    }

    /// Of a sample or of the whole population; null when there are too few values.
    pub(crate) fn result(&self, sample: bool) -> Bson {
        let count = if sample { self.count - 1 } else { self.count };
        if count <= 0 { Bson::Null } else { Bson::Double((self.squares / count as f64).sqrt()) }
    }
}
