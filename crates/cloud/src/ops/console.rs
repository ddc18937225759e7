//! `console`: lines go to the invocation that prints them.

use std::sync::Arc;

use tandem_contract::{HostArgs, HostValue, Invocation, Level, Result};

use super::Op;
pub(super) const OPS: &[Op] = &[
    Op::sync("console.log", |_, invocation, args| print(invocation, Level::Info, &args)),
    Op::sync("console.warn", |_, invocation, args| print(invocation, Level::Warn, &args)),
    Op::sync("console.error", |_, invocation, args| print(invocation, Level::Error, &args)),
    Op::sync("console.debug", |_, invocation, args| print(invocation, Level::Debug, &args)),
];

fn print(invocation: &Arc<Invocation>, level: Level, args: &HostArgs) -> Result<HostValue> {
    invocation.console.print(level, &args.text);
    Ok(HostValue::Undefined)
}
