//! What functions read when a module cannot be had; the same on every engine.

use tandem_contract::{Error, ErrorKind};

/// Nothing is called `specifier`.
pub fn module_not_found(specifier: &str) -> Error {
    Error::new(
        ErrorKind::NotFound,
        format!(
            "Cannot find module {specifier:?}: a function may import \"@tandem/cloud\", and functions that it names in its source as \"@/name\""
        ),
    )
}

/// `require` of a module that awaits at its top level.
pub fn require_of_async_module(name: &str) -> Error {
    Error::new(
        ErrorKind::NotSupported,
        format!(
            "require(\"@/{name}\") cannot wait for that module's top-level await: use import(\"@/{name}\")"
        ),
    )
}
