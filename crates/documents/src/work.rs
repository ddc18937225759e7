//! Bounds on the work that one document may cause. An expression is small and what it makes need not
//! be: everything that makes values in a loop says here how much, and is refused past the bounds.

use std::cell::Cell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use bson::Bson;
use tandem_contract::{Error, ErrorKind, Result};

use crate::depth::{MAX_SIZE, check_size, value_memory, value_size};
use crate::error::invalid;

/// Bytes of memory that values may take which are made for one document, those included that are gone
/// again.
const MAX_MADE: usize = 512 << 20;
/// Steps between two looks at the clock.
const LOOK_EVERY: u32 = 16;

thread_local! {
    /// When what this thread computes has to be done.
    static DEADLINE: Cell<Option<Instant>> = const { Cell::new(None) };
    static MADE: Cell<usize> = const { Cell::new(0) };
    static STEPS: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work`, which fails with `StoreUnavailable` when it computes past `deadline`.
pub fn until<T>(deadline: Option<Instant>, work: impl FnOnce() -> T) -> T {
    let outer = DEADLINE.replace(deadline.or_else(|| DEADLINE.get()));
    // What is set would outlive a panic otherwise, on a thread that goes on.
    let _restore = Restore(outer);
    work()
}

struct Restore(Option<Instant>);

impl Drop for Restore {
    fn drop(&mut self) {
        DEADLINE.set(self.0);
    }
}

/// The same for a future: for all that it computes whenever it is polled.
pub async fn compute_until<F: Future>(deadline: Option<Instant>, work: F) -> F::Output {
    Until { deadline, work: pin!(work) }.await
}

struct Until<'a, F> {
    deadline: Option<Instant>,
    work: Pin<&'a mut F>,
}

impl<F: Future> Future for Until<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        until(self.deadline, || self.work.as_mut().poll(context))
    }
}

/// What is made from here on is for another document.
pub(crate) fn begin_document() {
    MADE.set(0);
}

/// One turn of a loop.
///
/// # Errors
/// `StoreUnavailable` when the time is over.
pub(crate) fn step() -> Result<()> {
    let steps = STEPS.get().wrapping_add(1);
    STEPS.set(steps);
    if steps.is_multiple_of(LOOK_EVERY) && DEADLINE.get().is_some_and(|deadline| Instant::now() >= deadline) {
        return Err(Error::new(ErrorKind::StoreUnavailable, "The operation computes for too long"));
    }
    Ok(())
}

/// Values were made that take so many bytes of memory.
fn made(bytes: usize) -> Result<()> {
    let made = MADE.get().saturating_add(bytes);
    MADE.set(made);
    if made <= MAX_MADE {
        return Ok(());
    }
    Err(invalid(format!("An expression makes values that take more than {MAX_MADE} bytes of memory")))
}

/// An array that is made in a loop.
#[derive(Default)]
pub(crate) struct Growing {
    elements: Vec<Bson>,
    /// Bytes as BSON.
    size: usize,
}

impl Growing {
    /// # Errors
    /// `InvalidArgument` when no document could hold the array any more, or past the bounds.
    pub(crate) fn push(&mut self, element: Bson) -> Result<()> {
        step()?;
        // An element has a type, a digit at least and a NUL besides.
        self.size += value_size(&element) + 3;
        check_size(self.size)?;
        made(value_memory(&element))?;
        self.elements.push(element);
        Ok(())
    }

    pub(crate) fn extend(&mut self, elements: impl IntoIterator<Item = Bson>) -> Result<()> {
        elements.into_iter().try_for_each(|element| self.push(element))
    }

    pub(crate) fn into_value(self) -> Option<Bson> {
        debug_assert!(self.size <= MAX_SIZE, "the size was checked");
        Some(Bson::Array(self.elements))
    }
}

#[cfg(test)]
mod tests {
    use bson::{Document, doc};

    use super::*;
    use crate::Filter;

    fn matches(expression: Document) -> Result<bool> {
        Filter::parse(&doc! { "$expr": expression })?
            .matches(&doc! { "n": 100_000, "text": "a".repeat(1 << 20) })
    }

    #[test]
    fn what_an_expression_makes_is_bounded() {
        let range = || doc! { "$range": [0, "$n"] };
        let long = Bson::Document(doc! { "$range": [0, { "$multiply": ["$n", 10] }] });
        let variables: Document = (0..99).map(|n| (format!("v{n}"), long.clone())).collect();
        for expression in [
            doc! { "$size": { "$map": { "input": range(), "in": range() } } },
            doc! { "$size": { "$zip": { "inputs": [range(), ["$text"]], "useLongestLength": true, "defaults": [0, "$text"] } } },
            doc! { "$size": { "$regexFindAll": { "input": "$text", "regex": "" } } },
            doc! { "$let": { "vars": variables, "in": { "$size": "$$v0" } } },
        ] {
            let refused = matches(expression.clone()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::InvalidArgument, "{expression}: {refused}");
        }
        // What one document made is not held against the next.
        for _ in 0..8 {
            assert!(
                matches(doc! { "$gt": [{ "$size": { "$range": [0, { "$multiply": ["$n", 10] }] } }, 0] })
                    .unwrap()
            );
        }
    }

    #[test]
    fn computing_ends_at_the_deadline() {
        let endless = || {
            let sum = doc! { "$add": ["$$value", "$$this"] };
            matches(doc! { "$reduce": { "input": { "$range": [0, "$n"] }, "initialValue": 0, "in": sum } })
        };
        assert!(until(None, endless).unwrap());
        let late = until(Some(Instant::now()), endless).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::StoreUnavailable);
        assert!(endless().unwrap(), "the deadline is gone with the work that it was for");
    }
}
