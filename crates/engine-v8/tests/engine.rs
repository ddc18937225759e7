//! V8 through its port.

#[path = "../../engine-quickjs/tests/suite/mod.rs"]
mod suite;

use std::sync::Arc;
use std::time::Duration;

use tandem_contract::{EngineLimits, ErrorKind, Invocation};
use tandem_engine_v8::V8Factory;

suite::for_engine!(V8Factory);

/// V8 has no way to refuse a built-in's array that is longer than its arrays can be: it would end the
/// process.
#[tokio::test(flavor = "multi_thread")]
async fn a_built_in_that_asks_for_too_much_does_not_end_the_process() {
    let engine = suite::engine::<V8Factory>(suite::limits());
    let program = suite::program("export default ({ body }: any) => ','.repeat(body.n).split(',').length");
    let n = (1 << 27) + 1;
    let lost = engine.invoke(Arc::clone(&program), call(n, Duration::from_secs(60))).await;
    assert_eq!(suite::kind(lost), ErrorKind::MemoryLimit);
    let after = engine.invoke(Arc::clone(&program), call(9, Duration::from_secs(60))).await;
    assert_eq!(suite::json(after), "10");
    // It is counted after the answer.
    while engine.metrics().condemned == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(engine.metrics().condemned, 1);
}

/// Parsing JSON asks no interrupt, so that nothing ends it when the heap is at its limit. It grows as
/// far as V8 lets it, and V8 would end the process then.
#[ignore = "takes 2 GiB of memory and more than a minute"]
#[tokio::test(flavor = "multi_thread")]
async fn a_heap_that_runs_full_inside_a_built_in_does_not_end_the_process() {
    const LONG: Duration = Duration::from_secs(250);
    let limits = EngineLimits { memory: 256 << 20, stop_grace: LONG, ..suite::limits() };
    let engine = suite::engine::<V8Factory>(limits);
    let program = suite::program(
        "export default ({ body }: any) =>
          body.n === 0 ? 'fine' : JSON.parse('[' + '{},'.repeat(body.n) + '0]').length",
    );
    let lost = engine.invoke(Arc::clone(&program), call(60_000_000, LONG)).await;
    assert_eq!(suite::kind(lost), ErrorKind::MemoryLimit);
    assert_eq!(engine.metrics().condemned, 1);
    let after = engine.invoke(Arc::clone(&program), call(0, LONG)).await;
    assert_eq!(suite::json(after), r#""fine""#);
}

fn call(n: u32, within: Duration) -> Arc<Invocation> {
    suite::invocation_within(Some(&format!(r#"{{"n":{n}}}"#)), within, within)
}
