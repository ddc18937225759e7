use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tandem_contract::{
    Error, ErrorKind, Invocation, InvocationInput, Invoker, Outcome, Payload, RequestHead, Result,
};

use super::{Entry, Pipeline};
use crate::logs::Record;

/// The code of a record whose invocation returned a value.
const OK: &str = "OK";

/// The code of a record whose caller went away before the end.
const CANCELLED: &str = "CANCELLED";

/// An invocation from its start to its record. If it is dropped before [`Run::end`], its caller
/// went away, and it is recorded as `CANCELLED` with the lines it printed.
pub struct Run {
    pipeline: Arc<Pipeline>,
    entry: Arc<Entry>,
    invocation: Arc<Invocation>,
    time: SystemTime,
    started: Instant,
    ended: bool,
}

/// How an invocation ended, for its record.
pub struct RunEnd {
    /// `None` when it returned a value.
    pub error: Option<ErrorKind>,
    /// The HTTP status it was answered with; `None` when a function called.
    pub status: Option<u16>,
    /// See [`Outcome::elapsed`].
    pub elapsed: Duration,
    /// The lines kept, oldest first.
    pub lines: Vec<String>,
    /// How many were dropped before them.
    pub dropped: u64,
}

impl Pipeline {
    /// Prepares an invocation over HTTP. Its deadline starts now: call it once admitted.
    pub fn prepare(
        self: &Arc<Self>,
        entry: Arc<Entry>,
        request_id: Arc<str>,
        head: RequestHead,
        payload: Payload,
    ) -> Run {
        let started = self.clock.monotonic();
        let input = InvocationInput {
            function: entry.name.clone(),
            request_id,
            head,
            payload,
            deadline: started + self.limits.wall_time,
            cpu_time: self.limits.cpu_time,
            depth: 0,
            log_limits: self.limits.logs,
        };
        self.run_of(entry, started, input)
    }

    fn run_of(self: &Arc<Self>, entry: Arc<Entry>, started: Instant, input: InvocationInput) -> Run {
        let invocation = Arc::new(Invocation::new(input));
        let time = self.clock.wall();
        Run { pipeline: self.clone(), entry, invocation, time, started, ended: false }
    }

    async fn invoke_nested(
        self: Arc<Self>,
        caller: Arc<Invocation>,
        name: String,
        body: Option<Bytes>,
    ) -> Result<Outcome> {
        let depth = caller.input.depth + 1;
        if depth > self.limits.invoke_depth {
            return Err(Error::new(
                ErrorKind::InvokeDepth,
                format!(
                    "cloud.invoke is nested more than {} deep (engine.limits.invoke_depth)",
                    self.limits.invoke_depth
                ),
            ));
        }
        let entry = self.find(&name).await?.ok_or_else(|| not_found(&name))?;
        let input = InvocationInput {
            function: entry.name.clone(),
            request_id: caller.input.request_id.clone(),
            head: RequestHead::default(),
            payload: body.map_or(Payload::Empty, Payload::Json),
            deadline: caller.input.deadline,
            cpu_time: self.limits.cpu_time,
            depth,
            log_limits: self.limits.logs,
        };
        let mut run = self.run_of(entry, self.clock.monotonic(), input);
        let mut outcome = run.outcome().await;
        run.end(RunEnd {
            error: outcome.result.as_ref().err().map(Error::kind),
            status: None,
            elapsed: outcome.elapsed,
            lines: std::mem::take(&mut outcome.logs),
            dropped: outcome.dropped_logs,
        });
        outcome.dropped_logs = 0;
        Ok(outcome)
    }
}

/// The error for a name that no function has.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::FunctionNotFound, format!("Function {name:?} does not exist"))
}

/// `cloud.invoke`. The callee needs no admission of its own, or callers could wait for places
/// that they hold themselves. Its lines go to its own record, under the request id they share;
/// the outcome that the caller gets holds none.
impl Invoker for Pipeline {
    fn invoke(
        &self,
        caller: &Arc<Invocation>,
        name: String,
        body: Option<Bytes>,
    ) -> BoxFuture<'static, Outcome> {
        let Some(pipeline) = self.itself.upgrade() else {
            return Box::pin(std::future::ready(refused(Error::internal("the pipeline is gone"))));
        };
        let run = pipeline.invoke_nested(caller.clone(), name, body);
        Box::pin(async move { run.await.unwrap_or_else(refused) })
    }
}

fn refused(error: Error) -> Outcome {
    Outcome { result: Err(error), logs: Vec::new(), dropped_logs: 0, elapsed: Duration::ZERO }
}

impl Run {
    /// The invocation.
    pub fn invocation(&self) -> &Arc<Invocation> {
        &self.invocation
    }

    /// Runs it. Resolves at its deadline at the latest, as the engine guarantees.
    pub async fn outcome(&mut self) -> Outcome {
        match &self.entry.program {
            Ok(program) => self.pipeline.engine.invoke(program.clone(), self.invocation.clone()).await,
            Err(error) => refused(error.clone()),
        }
    }

    /// Writes its record, its metrics and its trace.
    pub fn end(mut self, end: RunEnd) {
        self.ended = true;
        self.write(end.error.map_or(OK, ErrorKind::code), end);
    }

    /// Writes its record for a caller who went away after `lines` were taken from its console.
    pub fn cancel(mut self, lines: Vec<String>, dropped: u64) {
        self.ended = true;
        self.write_cancelled(lines, dropped);
    }

    /// When it started.
    pub const fn started(&self) -> Instant {
        self.started
    }

    /// How long ago it started.
    pub fn age(&self) -> Duration {
        self.pipeline.clock.monotonic().saturating_duration_since(self.started)
    }

    fn write_cancelled(&self, mut lines: Vec<String>, dropped: u64) {
        let (more, more_dropped) = self.invocation.console.take();
        lines.extend(more);
        let dropped = dropped + more_dropped;
        self.write(CANCELLED, RunEnd { error: None, status: None, elapsed: self.age(), lines, dropped });
    }

    fn write(&self, code: &'static str, end: RunEnd) {
        self.entry.metrics.invoked(code);
        self.pipeline.metrics.duration.observe(end.elapsed);
        let input = &self.invocation.input;
        tracing::debug!(
            target: "tandem::invocation",
            request_id = &*input.request_id,
            function = &*input.function,
            code,
            elapsed_ms = end.elapsed.as_secs_f64() * 1e3,
            depth = input.depth,
        );
        self.pipeline.logs.push(Record {
            sequence: 0,
            request_id: input.request_id.clone(),
            function: input.function.clone(),
            depth: input.depth,
            code,
            status: end.status,
            time: self.time,
            elapsed: end.elapsed,
            lines: end.lines.into(),
            dropped: end.dropped,
        });
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.write_cancelled(Vec::new(), 0);
        }
    }
}
