//! What a function sees: the op table, its handlers and the scripts that both engines load.
//!
//! An engine binds two primitives, a synchronous and an asynchronous host call, and loads
//! [`scripts`]. Everything else that a function can reach is written once, here.

mod cloud;
mod fetch;
mod host;
pub mod json_text;
mod module_errors;
mod ops;
mod primordials;
mod reply;
mod resources;
mod scripts;
mod settings;
pub mod stack;
pub mod storage;
#[cfg(test)]
mod surface;
mod values;

pub use host::CloudHost;
pub use module_errors::{module_not_found, require_of_async_module};
pub use primordials::{primordials, primordials_of};
pub use reply::Finish;
pub use scripts::{FREQUENT, Script, scripts};
pub use settings::{CloudParts, FetchSettings, StorageSettings};
