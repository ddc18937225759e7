//! V8 through its port.

#[path = "../../engine-quickjs/tests/suite/mod.rs"]
mod suite;

use tandem_engine_v8::V8Factory;

suite::for_engine!(V8Factory);
