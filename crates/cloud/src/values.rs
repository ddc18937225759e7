//! Documents between scripts and stores: BSON as JSON text.
//!
//! What JSON can say is written as JSON. What it cannot say is a *tagged* object, whose first key
//! is a NUL character and holds the type's name; BSON forbids NUL in names, so no document can be
//! mistaken for one. `js/bson.js` is the other side.
//!
//! | tag | other keys |
//! |---|---|
//! | `oid` | `v`: 24 hex digits |
//! | `date` | `v`: milliseconds since 1970 |
//! | `double` | `v`: the number as text; for `-0`, `NaN`, infinities and doubles that look like integers |
//! | `long` | `v`: decimal text |
//! | `decimal` | `v`: text |
//! | `bin` | `s`: subtype; to the host `at` and `len` in the call's bytes, from it `v`: base64 |
//! | `regex` | `v`: pattern, `o`: options |
//! | `ts` | `t`: seconds, `i`: increment |
//! | `code` | `v`: text, `scope`: a document or null |
//! | `map` | `v`: pairs of name and value, to the host only; for names that objects would reorder |
//! | `min`, `max`, `undefined` | |
//!
//! Numbers: an integer literal that fits 32 bits is an Int32, every other literal a Double. From
//! the host a Double keeps its fraction (`5.0`), which scripts read as the number it is, and an
//! Int64 is a plain number while a double holds it exactly, as drivers promote it.

mod read;
mod reply;
mod surrogates;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use read::parse;
pub(crate) use reply::{Batch, reply};

/// The first key of a tagged object.
const TAG: &str = "\0";

/// Integers up to this size are exact in a double: JavaScript's `Number.MAX_SAFE_INTEGER`.
const LARGEST_SAFE: u64 = (1 << 53) - 1;
