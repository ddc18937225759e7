//! An engine through its port, with a host that has the request's and the console's operations.
//! Every engine passes the same tests.

#![expect(clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_core::future::BoxFuture;
use tandem_contract::{
    EngineFactory, EngineLimits, ErrorKind, Host, HostArgs, HostValue, Invocation, InvocationInput, JsEngine,
    Language, Level, LogLimits, OpId, OpMode, OpSpec, Outcome, Payload, Program, Reply, RequestHead, Result,
};

const OPS: [(&str, OpMode); 16] = [
    ("request.whole", OpMode::Sync),
    ("request.head", OpMode::Sync),
    ("request.body", OpMode::Sync),
    ("request.query", OpMode::Sync),
    ("request.headers", OpMode::Sync),
    ("request.files", OpMode::Sync),
    ("request.file", OpMode::Sync),
    ("console.log", OpMode::Sync),
    ("console.warn", OpMode::Sync),
    ("console.error", OpMode::Sync),
    ("console.debug", OpMode::Sync),
    ("performance.now", OpMode::Sync),
    ("env.get", OpMode::Sync),
    ("invoke.call", OpMode::Async),
    ("invoke.responseHead", OpMode::Sync),
    ("invoke.responseBody", OpMode::Sync),
];

struct TestHost(Vec<OpSpec>);

impl Host for TestHost {
    fn ops(&self) -> &[OpSpec] {
        &self.0
    }

    fn call_sync(&self, invocation: &Arc<Invocation>, op: OpId, args: HostArgs) -> Result<HostValue> {
        Ok(match (self.0[op as usize].name, &invocation.input.payload) {
            ("request.query", _) => panic!("on purpose"),
            ("request.head", _) => HostValue::Json(r#"{"method":"POST","path":"/","requestId":"r"}"#.into()),
            ("request.body", Payload::Json(text)) => HostValue::Json(text.clone()),
            ("console.log", _) => {
                invocation.console.print(Level::Info, &args.text);
                HostValue::Undefined
            }
            ("console.error", _) => {
                invocation.console.print(Level::Error, &args.text);
                HostValue::Undefined
            }
            ("performance.now", _) => HostValue::Number(1.0),
            _ => HostValue::Undefined,
        })
    }

    fn call(&self, _: &Arc<Invocation>, _: OpId, _: HostArgs) -> BoxFuture<'static, Result<HostValue>> {
        Box::pin(async { panic!("on purpose") })
    }
}

pub(crate) fn engine<F: EngineFactory>(limits: EngineLimits) -> Arc<dyn JsEngine> {
    let ops = OPS.iter().map(|(name, mode)| OpSpec { name, mode: *mode }).collect();
    F::open(F::Config::default(), limits, Arc::new(TestHost(ops))).expect("the engine starts")
}

pub(crate) fn limits() -> EngineLimits {
    EngineLimits {
        isolates: 8,
        isolates_per_function: 4,
        concurrency: 32,
        queue: 1024,
        memory: 64 << 20,
        stack: 1 << 20,
        stop_grace: Duration::from_millis(100),
    }
}

pub(crate) fn program(source: &str) -> Arc<Program> {
    let compiled =
        tandem_compiler::compile("main", source, Language::TypeScript).expect("the source compiles");
    let module = tandem_compiler::load_module(
        "main",
        Language::TypeScript,
        &compiled.code,
        Some(&compiled.source_map),
    )
    .expect("the module loads");
    Arc::new(Program { name: "main".into(), hash: module.hash.clone().into(), modules: vec![module] })
}

fn invocation(body: Option<&str>, wall: Duration) -> Arc<Invocation> {
    invocation_within(body, wall, Duration::from_secs(1))
}

pub(crate) fn invocation_within(body: Option<&str>, wall: Duration, cpu_time: Duration) -> Arc<Invocation> {
    Arc::new(Invocation::new(InvocationInput {
        function: "main".into(),
        request_id: "r".into(),
        head: RequestHead::default(),
        payload: body.map_or(Payload::Empty, |body| Payload::Json(body.to_owned().into())),
        deadline: Instant::now() + wall,
        cpu_time,
        depth: 0,
        log_limits: LogLimits { lines: 256, line_limit: 1024 },
    }))
}

async fn run<F: EngineFactory>(source: &str) -> Outcome {
    engine::<F>(limits())
        .invoke(program(source), invocation(Some(r#"{"n":2}"#), Duration::from_secs(5)))
        .await
}

pub(crate) fn json(outcome: Outcome) -> String {
    match outcome.result {
        Ok(Reply::Json(text)) => String::from_utf8(text.to_vec()).expect("JSON is UTF-8"),
        Ok(_) => panic!("the reply is not JSON"),
        Err(error) => panic!("{error}: {:#?}", outcome.logs),
    }
}

pub(crate) fn kind(outcome: Outcome) -> ErrorKind {
    match outcome.result {
        Ok(_) => panic!("the function succeeded"),
        Err(error) => error.kind(),
    }
}

pub(crate) async fn a_value_comes_back<F: EngineFactory>() {
    assert_eq!(
        json(run::<F>("export default (ctx: any) => ({ got: ctx.body.n + 1 })").await),
        r#"{"got":3}"#
    );
    assert_eq!(json(run::<F>("exports.default = async () => undefined").await), "null");
    assert_eq!(json(run::<F>("module.exports = function () { return 'x' }").await), r#""x""#);
}

pub(crate) async fn an_error_names_the_line_of_the_source<F: EngineFactory>() {
    let outcome = run::<F>("type A = {\n  x: number\n}\nfunction inner() {\n  throw new Error('boom')\n}\nexport default async () => {\n  await 1\n  inner()\n}").await;
    assert_eq!(
        outcome.logs,
        ["[ERROR] Error: boom\n    at inner (main.ts:5:9)\n    at default (main.ts:9:3)"]
    );
    assert_eq!(outcome.result.err().map(|error| error.message().to_owned()).as_deref(), Some("boom"));
}

/// A mistake of the host is one operation's.
pub(crate) async fn an_operation_that_panics_fails_alone<F: EngineFactory>() {
    let source = "const code = async (operation: () => unknown) => {
            try { return await operation() } catch (error: any) { return error.code }
        }
        export default async (ctx: any) => [await code(() => ctx.query), await code(() => ctx.cloud.invoke('f'))]";
    assert_eq!(json(run::<F>(source).await), r#"["INTERNAL","INTERNAL"]"#);
}

pub(crate) async fn interleaved_invocations_keep_their_logs<F: EngineFactory>() {
    let engine = engine::<F>(limits());
    let program = program(
        "let shared: any, release: any;
        export default async ({ body }: any) => {
          shared ??= new Promise((resolve) => { release = resolve });
          console.log(`start ${body.n}`);
          if (body.n === 31) setTimeout(release, 5);
          await shared;
          console.log(`shared ${body.n}`);
          await new Promise((resolve) => setTimeout(resolve, 5 - (body.n % 5)));
          try { await shared.then(() => { console.log(`then ${body.n}`); throw 1 }); } catch { console.log(`caught ${body.n}`) }
          return body.n;
        }",
    );
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..32 {
        let (engine, program) = (Arc::clone(&engine), Arc::clone(&program));
        tasks.spawn(async move {
            let body = format!(r#"{{"n":{n}}}"#);
            (n, engine.invoke(program, invocation(Some(&body), Duration::from_secs(5))).await)
        });
    }
    while let Some(done) = tasks.join_next().await {
        let (n, outcome) = done.expect("no task panics");
        let expected = ["start", "shared", "then", "caught"].map(|word| format!("{word} {n}"));
        assert_eq!(outcome.logs, expected);
        assert_eq!(json(outcome), n.to_string());
    }
}

pub(crate) async fn runaway_code_is_stopped_and_the_next_call_works<F: EngineFactory>() {
    let engine = engine::<F>(limits());
    let program = program(
        "export default async ({ body }: any) => {
          if (body.n === 1) while (true) {}
          if (body.n === 2) await new Promise(() => {});
          if (body.n === 3) { const kept = []; while (true) kept.push(new Array(1e4).fill(kept.length)); }
          if (body.n === 4) { const f = (): any => f() + 1; f(); }
          if (body.n === 5) return [...'.'.repeat(1e8)];
          if (body.n === 6) { await 1; while (true) await 1; }
          if (body.n === 7) { const a = []; while (true) a.push({ a }); }
          return 'fine';
        }",
    );
    let expected = [
        ErrorKind::CpuLimit,
        ErrorKind::FunctionTimeout,
        ErrorKind::MemoryLimit,
        ErrorKind::FunctionError,
        ErrorKind::MemoryLimit,
        ErrorKind::CpuLimit,
        ErrorKind::MemoryLimit,
    ];
    for (index, expected) in expected.into_iter().enumerate() {
        let body = format!(r#"{{"n":{}}}"#, index + 1);
        // A second of processor time may take many on a busy machine.
        let wall = Duration::from_secs(if expected == ErrorKind::FunctionTimeout { 2 } else { 60 });
        let outcome = engine.invoke(Arc::clone(&program), invocation(Some(&body), wall)).await;
        assert_eq!(kind(outcome), expected, "case {}", index + 1);
        let after = engine
            .invoke(Arc::clone(&program), invocation(Some(r#"{"n":0}"#), Duration::from_secs(60)))
            .await;
        assert_eq!(json(after), r#""fine""#, "after case {}", index + 1);
    }
    assert_eq!(engine.metrics().condemned, 0);
}

/// Searching a text asks neither engine's interrupt: what is left is to answer and to give the thread up.
pub(crate) async fn a_built_in_that_goes_on_costs_its_thread_and_nothing_else<F: EngineFactory>() {
    let engine = engine::<F>(limits());
    let program = program(
        "export default ({ body }: any) => {
          const half = 'a'.repeat(5e3);
          return body.n === 0 ? 'fine' : 'a'.repeat(1e7).indexOf(half + 'b' + half);
        }",
    );
    let call = |n: u8| {
        let body = format!(r#"{{"n":{n}}}"#);
        engine.invoke(Arc::clone(&program), invocation(Some(&body), Duration::from_secs(60)))
    };
    assert_eq!(kind(call(1).await), ErrorKind::CpuLimit);
    assert_eq!(json(call(0).await), r#""fine""#);
    // The answer does not wait for the last step.
    while engine.metrics().condemned == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(json(call(0).await), r#""fine""#);
    assert_eq!(engine.metrics().condemned, 1);
}

pub(crate) async fn nothing_becomes_code<F: EngineFactory>() {
    let outcome = run::<F>("export default () => {
      const tries = [() => eval('1'), () => (0, eval)('1'), () => new Function('return 1')(), () => (async () => {}).constructor('1'), () => (function* () {}).constructor('1'), () => Reflect.construct((() => {}).constructor, ['1'])];
      return tries.map((t) => { try { t(); return 'ran' } catch (e) { return e.name } });
    }").await;
    assert_eq!(json(outcome), r#"["EvalError","EvalError","EvalError","EvalError","EvalError","EvalError"]"#);
}

/// Every test of this suite for one engine.
macro_rules! for_engine {
    ($factory:ty) => {
        suite::for_engine!($factory: a_value_comes_back an_error_names_the_line_of_the_source an_operation_that_panics_fails_alone interleaved_invocations_keep_their_logs runaway_code_is_stopped_and_the_next_call_works a_built_in_that_goes_on_costs_its_thread_and_nothing_else nothing_becomes_code);
    };
    ($factory:ty: $($test:ident)*) => {
        $(#[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            suite::$test::<$factory>().await;
        })*
    };
}
pub(crate) use for_engine;
