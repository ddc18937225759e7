//! Functions on a real engine over real stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tandem_cloud::{CloudHost, CloudParts, FetchSettings, StorageSettings};
use tandem_contract::{
    BackendFactory, BlobStore, DocumentStore, EngineFactory, EngineLimits, Error, Invocation,
    InvocationInput, Invoker, JsEngine, Language, LogLimits, OpenContext, Outcome, Payload, Program, Reply,
    RequestHead, SystemClock, SystemEntropy,
};
use tandem_engine_quickjs::{QuickJsConfig, QuickJsFactory};
use tandem_store_object::{MemoryConfig, MemoryFactory};
use tandem_store_sqlite::{SqliteConfig, SqliteFactory};

const LIMITS: EngineLimits = EngineLimits {
    isolates: 8,
    isolates_per_function: 4,
    concurrency: 32,
    queue: 1024,
    memory: 128 << 20,
    stack: 1 << 20,
    stop_grace: Duration::from_millis(200),
};

/// A server's inside: an engine, its host, and the stores behind it.
pub(crate) struct Server {
    engine: Arc<dyn JsEngine>,
    pub(crate) host: Arc<CloudHost>,
    pub(crate) invoker: Arc<dyn Invoker>,
    pub(crate) documents: Arc<dyn DocumentStore>,
    _folder: tempfile::TempDir,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let context = OpenContext {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            base: folder.path().to_owned(),
        };
        let sqlite = SqliteConfig { path: folder.path().join("documents.db"), ..SqliteConfig::default() };
        let documents = <SqliteFactory as BackendFactory<dyn DocumentStore>>::open(sqlite, context.clone());
        let documents = documents.await.expect("SQLite opens");
        let blobs = <MemoryFactory as BackendFactory<dyn BlobStore>>::open(MemoryConfig::default(), context);
        let host = CloudHost::new(CloudParts {
            documents: Arc::clone(&documents),
            blobs: blobs.await.expect("memory opens"),
            signer: None,
            env: [("GREETING".to_owned(), "hello".to_owned()), ("__proto__".to_owned(), "odd".to_owned())]
                .into(),
            storage: StorageSettings { default_bucket: "default".to_owned(), buckets: Vec::new() },
            fetch: FetchSettings::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
        });
        let host = host.expect("the host starts");
        let engine =
            QuickJsFactory::open(QuickJsConfig {}, LIMITS, Arc::clone(&host) as _).expect("QuickJS starts");
        let invoker: Arc<dyn Invoker> = Arc::new(Callee { engine: Arc::clone(&engine) });
        host.connect(&invoker).expect("the host is connected once");
        Self { engine, host, invoker, documents, _folder: folder }
    }

    pub(crate) async fn outcome(&self, source: &str) -> Outcome {
        self.engine.invoke(program("main", source), invocation("main", Payload::Empty, 0)).await
    }

    /// What the function returns, as JSON text.
    pub(crate) async fn run(&self, source: &str) -> String {
        let outcome = self.outcome(source).await;
        match outcome.result {
            Ok(Reply::Json(text)) => String::from_utf8(text.to_vec()).expect("JSON is UTF-8"),
            Ok(_) => panic!("the reply is not JSON"),
            Err(error) => panic!("{error}: {:#?}", outcome.logs),
        }
    }

    /// What a function with this body returns; `db` is its database, `c` a collection.
    pub(crate) async fn body(&self, body: &str) -> String {
        self.run(&format!(
            "import cloud from '@tandem/cloud';
            export default async (ctx: any) => {{
              const db = cloud.database(); const c = db.collection('c');
              const fails = async (f: any) => {{ try {{ await f(); return 'no error' }} catch (e: any) {{ return [e.name, e.code, e.message] }} }};
              {body}
            }}"
        ))
        .await
    }
}

/// Runs the functions that `cloud.invoke` names: the name says what the function does.
struct Callee {
    engine: Arc<dyn JsEngine>,
}

impl Invoker for Callee {
    fn invoke(
        &self,
        caller: &Arc<Invocation>,
        name: String,
        body: Option<bytes::Bytes>,
    ) -> futures_util::future::BoxFuture<'static, Outcome> {
        let source = match name.as_str() {
            "echo" => "export default (ctx: any) => ({ got: ctx.body === undefined ? 'nothing' : ctx.body })",
            "throw" => "export default () => { throw new RangeError('no luck') }",
            "bytes" => "export default () => new Uint8Array([1, 2, 3])",
            "response" => "export default () => new Response('hi', { status: 201, headers: { 'x-a': 'ü' } })",
            "empty" => "export default () => new Response(null, { status: 204 })",
            "stream" => {
                "export default () => new Response(new ReadableStream({ start(s) { s.enqueue(new Uint8Array([104])); s.enqueue(new Uint8Array([105])); s.close() } }))"
            }
            "a\0b" => "export default () => 'called by a name with NUL'",
            other => panic!("no function is called {other}"),
        };
        let payload = body.map_or(Payload::Empty, Payload::Json);
        // No module has a name with NUL.
        let name = name.replace('\0', "-");
        self.engine.invoke(program(&name, source), invocation(&name, payload, caller.input.depth + 1))
    }
}

fn program(name: &str, source: &str) -> Arc<Program> {
    let compiled = compile(name, source).unwrap_or_else(|error| panic!("{error}"));
    Arc::new(compiled)
}

fn compile(name: &str, source: &str) -> Result<Program, Error> {
    let language = Language::TypeScript;
    let compiled = tandem_compiler::compile(name, source, language)?;
    let map = Some(compiled.source_map.as_str());
    let module = tandem_compiler::load_module(name, language, &compiled.code, map)?;
    Ok(Program { name: name.into(), hash: module.hash.clone().into(), modules: vec![module] })
}

pub(crate) fn invocation(function: &str, payload: Payload, depth: u32) -> Arc<Invocation> {
    Arc::new(Invocation::new(InvocationInput {
        function: function.into(),
        request_id: "r".into(),
        head: RequestHead::default(),
        payload,
        deadline: Instant::now() + Duration::from_secs(60),
        cpu_time: Duration::from_secs(30),
        depth,
        log_limits: LogLimits { lines: 256, line_limit: 1024 },
    }))
}
