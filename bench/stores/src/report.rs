//! The table.

use std::fmt;
use std::time::Duration;

use crate::work::{BATCH, Operation};

/// Every round's figures.
#[derive(Default)]
pub(crate) struct Table {
    rounds: Vec<Round>,
}

struct Round {
    operation: Operation,
    direct: Duration,
    /// One operation an invocation.
    single: Duration,
    /// [`BATCH`] operations an invocation.
    many: Duration,
}

impl Table {
    /// Adds a round: the time that one operation took up each way.
    pub(crate) fn add(&mut self, operation: Operation, direct: Duration, single: Duration, many: Duration) {
        self.rounds.push(Round { operation, direct, single, many });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "operation    driver µs   function µs  over   {BATCH} a call µs  over")?;
        for operation in Operation::ALL {
            let of = |value: fn(&Round) -> f64| {
                median(self.rounds.iter().filter(|round| round.operation == operation).map(value).collect())
            };
            writeln!(
                f,
                "{:<11} {:>10.1} {:>13.1} {:>4.0} % {:>14.1} {:>4.0} %",
                operation.name(),
                of(|round| micros(round.direct)),
                of(|round| micros(round.single)),
                of(|round| over(round.single, round.direct)),
                of(|round| micros(round.many)),
                of(|round| over(round.many, round.direct)),
            )?;
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// In percent of the driver's.
fn over(function: Duration, driver: Duration) -> f64 {
    (function.as_secs_f64() / driver.as_secs_f64() - 1.0) * 100.0
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
