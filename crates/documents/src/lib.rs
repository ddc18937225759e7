//! The document query language on BSON: match, project, update, sort and aggregate, with the
//! results MongoDB 6 gives.
//!
//! The crate is pure: no I/O, no randomness of its own, and no clock but for the deadlines of [`until`]
//! and [`compute_until`], which stores set. A store that cannot run a part of
//! the language itself reads documents and finishes the work here; the SQL stores are held against
//! it. What is not implemented is refused by name (`NOT_SUPPORTED: $geoNear`), never approximated.

pub mod compare;
pub mod index_key;
pub mod store;

mod bson_type;
mod cost;
mod decimal;
mod depth;
mod distinct;
mod error;
mod expression;
mod filter;
mod identical;
mod key_expansion;
mod number;
mod path;
mod pipeline;
mod projection;
mod regex;
mod slice;
mod sort;
mod update;
mod work;

pub use cost::Cost;
pub use distinct::distinct_values;
pub use filter::{Filter, Matched, Predicate, Test};
pub use pipeline::{Leading, Lookup, Pipeline, PipelineEnv, Tally};
pub use projection::Projection;
pub use sort::{Direction, Sort};
pub use update::{Update, UpdateContext, check_upsert, upsert_document};
pub use work::{compute_until, until};
