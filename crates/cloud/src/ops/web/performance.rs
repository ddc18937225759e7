//! `performance.now`.

use tandem_contract::HostValue;

use crate::ops::Op;

/// Milliseconds since the host was made.
pub(in crate::ops) const OPS: &[Op] = &[Op::sync("performance.now", |cloud, _, _| {
    let elapsed = cloud.clock.monotonic().saturating_duration_since(cloud.started);
    Ok(HostValue::Number(elapsed.as_secs_f64() * 1000.0))
})];
