//! What happens to a call between the HTTP layer and the engine: admission, lookup, the run, its
//! record; and publishing. Knows the ports of `tandem_contract` and no backend.

mod admit;
mod assemble;
mod cache;
mod figures;
mod follow;
mod invoke;
mod publish;
mod resolve;
mod share;
mod unit;

use std::sync::{Arc, Weak};
use std::time::Duration;

use tandem_contract::{Clock, FunctionStore, JsEngine, LogLimits};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use admit::{Admission, AdmissionLimits, Permit};
pub use cache::Entry;
pub(crate) use invoke::not_found;
pub use invoke::{Run, RunEnd};
pub use publish::{Publish, Published};
pub use share::Share;

use crate::logs::LogRing;
use crate::metrics::Metrics;
use resolve::{Resolver, ResolverParts};

/// What bounds the pipeline.
#[derive(Clone, Debug)]
pub struct PipelineLimits {
    /// Who may run, wait, and how functions share that.
    pub admission: AdmissionLimits,
    /// How long an invocation may take, counted from its admission.
    pub wall_time: Duration,
    /// How much processor time an invocation may take.
    pub cpu_time: Duration,
    /// How deeply `cloud.invoke` may nest.
    pub invoke_depth: u32,
    /// What an invocation may print.
    pub logs: LogLimits,
    /// Functions held ready to run; the least recently used goes first.
    pub cached_functions: usize,
}

/// What the pipeline is made of.
pub struct PipelineParts {
    /// Where functions live.
    pub functions: Arc<dyn FunctionStore>,
    /// What runs them.
    pub engine: Arc<dyn JsEngine>,
    /// Where time comes from.
    pub clock: Arc<dyn Clock>,
    /// Where invocations are counted.
    pub metrics: Arc<Metrics>,
    /// Where their lines are kept.
    pub logs: Arc<LogRing>,
    /// What bounds it.
    pub limits: PipelineLimits,
}

/// The pipeline. One a process, shared by every connection.
pub struct Pipeline {
    functions: Arc<dyn FunctionStore>,
    engine: Arc<dyn JsEngine>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    logs: Arc<LogRing>,
    limits: PipelineLimits,
    admission: Arc<Admission>,
    resolver: Arc<Resolver>,
    stopped: CancellationToken,
    tasks: TaskTracker,
    /// `cloud.invoke` reaches the pipeline by reference; what it starts must outlive the call.
    itself: Weak<Self>,
}

impl Pipeline {
    /// Starts the pipeline and begins to follow the store's changes. Must be called within a
    /// tokio runtime.
    pub fn start(parts: PipelineParts) -> Arc<Self> {
        let PipelineParts { functions, engine, clock, metrics, logs, limits } = parts;
        let admission = Admission::new(limits.admission.clone());
        let resolver = Resolver::new(ResolverParts {
            functions: functions.clone(),
            engine: engine.clone(),
            clock: clock.clone(),
            metrics: metrics.clone(),
            admission: admission.clone(),
            capacity: limits.cached_functions,
        });
        let stopped = CancellationToken::new();
        let tasks = TaskTracker::new();
        let follower = follow::follow(resolver.clone(), functions.watch());
        tasks.spawn({
            let stopped = stopped.clone();
            async move { stopped.run_until_cancelled(follower).await }
        });
        let pipeline = Arc::new_cyclic(|itself| Self {
            functions,
            engine,
            clock,
            metrics,
            logs,
            limits,
            admission,
            resolver,
            stopped,
            tasks,
            itself: itself.clone(),
        });
        figures::register(&pipeline);
        pipeline
    }

    /// Where invocations over HTTP get their permits.
    pub fn admission(&self) -> &Arc<Admission> {
        &self.admission
    }

    /// The store of functions, for reading and listing.
    pub fn functions(&self) -> &Arc<dyn FunctionStore> {
        &self.functions
    }

    /// The engine.
    pub fn engine(&self) -> &Arc<dyn JsEngine> {
        &self.engine
    }

    /// Where the time comes from.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// The records of recent invocations.
    pub fn logs(&self) -> &Arc<LogRing> {
        &self.logs
    }

    /// What bounds it.
    pub fn limits(&self) -> &PipelineLimits {
        &self.limits
    }

    /// Functions that are ready to run.
    pub fn cached_functions(&self) -> usize {
        self.resolver.len()
    }

    /// The function `name`, ready to run, or `None` when there is none.
    ///
    /// # Errors
    /// `StoreUnavailable` when it is not cached and the store does not answer.
    pub async fn find(&self, name: &str) -> tandem_contract::Result<Option<Arc<Entry>>> {
        self.resolver.find(name).await
    }

    /// Stops following the store's changes. Cached functions stay callable.
    pub async fn stop(&self) {
        self.stopped.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
