//! The table.

use std::fmt;
use std::time::Duration;

use crate::work::{BATCH, Operation};

/// Every round's figures.
#[derive(Default)]
pub(crate) struct Table(Vec<Round>);

/// The time that one operation took up each way.
pub(crate) struct Round {
    pub(crate) operation: Operation,
    /// Called by this program.
    pub(crate) driver: Duration,
    /// Called by an HTTP server in Rust, one operation a request.
    pub(crate) handler: Duration,
    /// By a function, one operation a request.
    pub(crate) function: Duration,
    /// By a function, [`BATCH`] operations a request.
    pub(crate) batch: Duration,
}

impl Table {
    /// Adds a round.
    pub(crate) fn add(&mut self, round: Round) {
        self.0.push(round);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<10} {:>9} {:>12} {:>11} {:>8} {:>8} {:>13} {:>8}",
            "µs",
            "driver",
            "behind HTTP",
            "function",
            "/ driver",
            "/ HTTP",
            format!("{BATCH} a call"),
            "/ driver"
        )?;
        for operation in Operation::ALL {
            let of = |value: fn(&Round) -> f64| {
                median(self.0.iter().filter(|round| round.operation == operation).map(value).collect())
            };
            writeln!(
                f,
                "{:<10} {:>9.1} {:>12.1} {:>11.1} {:>8.2} {:>8.2} {:>13.1} {:>8.2}",
                operation.name(),
                of(|round| micros(round.driver)),
                of(|round| micros(round.handler)),
                of(|round| micros(round.function)),
                of(|round| round.function.div_duration_f64(round.driver)),
                of(|round| round.function.div_duration_f64(round.handler)),
                of(|round| micros(round.batch)),
                of(|round| round.batch.div_duration_f64(round.driver)),
            )?;
        }
        Ok(())
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
