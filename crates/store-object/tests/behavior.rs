//! What every blob store does, on every blob store of this crate.

mod opening;
mod suite;

use opening::{local, memory};
use suite::{behavior_suite, cases};

behavior_suite!(local);
behavior_suite!(memory);
