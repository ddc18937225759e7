use std::sync::Arc;

use futures_util::future::{self, BoxFuture};
use tandem_contract::{
    Error, ErrorKind, Host, HostArgs, HostValue, Invocation, Invoker, OpId, OpSpec, Result,
};

use crate::cloud::Cloud;
use crate::ops::{self, Handler, Op};
use crate::settings::CloudParts;

/// The host that both engines call: the op table over the stores of one server.
pub struct CloudHost {
    cloud: Arc<Cloud>,
    ops: Vec<Op>,
    specs: Vec<OpSpec>,
}

impl CloudHost {
    /// A host over `parts`. `cloud.invoke` works once [`CloudHost::connect`] was called.
    ///
    /// # Errors
    /// `InvalidArgument` when a setting cannot work.
    pub fn new(parts: CloudParts) -> Result<Arc<Self>> {
        let ops = ops::table();
        let specs = ops.iter().map(Op::spec).collect();
        Ok(Arc::new(Self { cloud: Arc::new(Cloud::new(parts)?), ops, specs }))
    }

    /// Tells what runs functions for `cloud.invoke`. It is held weakly.
    ///
    /// # Errors
    /// `Internal` when called twice.
    pub fn connect(&self, invoker: &Arc<dyn Invoker>) -> Result<()> {
        if self.cloud.connect(invoker) {
            Ok(())
        } else {
            Err(Error::internal("the host was connected twice"))
        }
    }

    fn find(&self, invocation: &Invocation, op: OpId) -> Result<&Op> {
        let op = usize::try_from(op).ok().and_then(|index| self.ops.get(index));
        let op = op.ok_or_else(|| Error::internal("no operation has this id"))?;
        if invocation.is_over() {
            return Err(Error::new(
                ErrorKind::Conflict,
                format!("The invocation is over: {} was called after it had been answered", op.name),
            ));
        }
        Ok(op)
    }
}

impl Host for CloudHost {
    fn ops(&self) -> &[OpSpec] {
        &self.specs
    }

    fn call_sync(&self, invocation: &Arc<Invocation>, op: OpId, args: HostArgs) -> Result<HostValue> {
        let op = self.find(invocation, op)?;
        match op.handler {
            Handler::Sync(run) => run(&self.cloud, invocation, args)
                .inspect_err(|error| ops::log_detail(op.name, &invocation.input.request_id, error)),
            Handler::Async(_) => Err(Error::internal(format!("{} is not synchronous", op.name))),
        }
    }

    fn is_relay(&self, op: OpId) -> bool {
        usize::try_from(op).ok().and_then(|op| self.specs.get(op)).is_some_and(|op| op.name == ops::RELAY)
    }

    fn call(
        &self,
        invocation: &Arc<Invocation>,
        op: OpId,
        args: HostArgs,
    ) -> BoxFuture<'static, Result<HostValue>> {
        let op = match self.find(invocation, op) {
            Ok(op) => op,
            Err(error) => return Box::pin(future::ready(Err(error))),
        };
        match op.handler {
            Handler::Async(run) => run(Arc::clone(&self.cloud), Arc::clone(invocation), args),
            Handler::Sync(_) => {
                let error = Error::internal(format!("{} is not asynchronous", op.name));
                Box::pin(future::ready(Err(error)))
            }
        }
    }
}
