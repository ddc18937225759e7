//! QuickJS through its port.

mod suite;

use tandem_engine_quickjs::QuickJsFactory;

suite::for_engine!(QuickJsFactory);
