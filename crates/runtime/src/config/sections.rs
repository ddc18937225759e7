use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tandem_contract::settings::{ByteSize, Duration};
use tandem_contract::{EngineLimits, LogLimits};

use super::{Backend, ServerConfig};

/// Everything that can be configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The HTTP server.
    pub server: ServerConfig,
    /// What runs functions.
    pub engine: EngineConfig,
    /// The function store: where published functions live.
    pub functions: FunctionsConfig,
    /// The document store: what `cloud.database()` reaches. What is left out here is as in
    /// `[functions]`: the backend, and each of its settings.
    pub documents: DocumentsConfig,
    /// The blob store: what `cloud.storage` reaches.
    pub storage: StorageConfig,
    /// What `cloud.env` holds. It holds nothing else of the process.
    pub env: EnvConfig,
    /// What is kept of the lines that functions print.
    pub logs: LogsConfig,
    /// What functions may `fetch`.
    pub fetch: FetchConfig,
    /// The server's own log.
    pub telemetry: TelemetryConfig,
}

/// `[engine]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EngineConfig {
    /// Which engine runs functions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// Isolates resident at most; the least recently used goes first.
    pub isolates: usize,
    /// Isolates of one function at most.
    pub isolates_per_function: usize,
    /// Invocations in flight in one isolate; 1 gives one at a time.
    pub concurrency: usize,
    /// Invocations that may wait for an isolate; more are refused with 503.
    pub queue: usize,
    /// What bounds one invocation and one isolate.
    pub limits: LimitsConfig,
    /// The engine that was picked.
    #[serde(skip)]
    pub selected: Backend,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            backend: String::new(),
            isolates: 64,
            isolates_per_function: 4,
            concurrency: 32,
            queue: 1024,
            limits: LimitsConfig::default(),
            selected: Backend::default(),
        }
    }
}

impl EngineConfig {
    /// What engines are told of it.
    pub const fn engine_limits(&self) -> EngineLimits {
        EngineLimits {
            isolates: self.isolates,
            isolates_per_function: self.isolates_per_function,
            concurrency: self.concurrency,
            queue: self.queue,
            memory: self.limits.memory.as_usize(),
            stack: self.limits.stack.as_usize(),
            stop_grace: self.limits.stop_grace.get(),
        }
    }
}

/// `[engine.limits]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// From the admission of a call to its answer.
    pub wall_time: Duration,
    /// Processor time of one invocation, across its awaits.
    pub cpu_time: Duration,
    /// Memory of one isolate, array buffers included.
    pub memory: ByteSize,
    /// Stack of one isolate.
    pub stack: ByteSize,
    /// How deep `cloud.invoke` may be nested.
    pub invoke_depth: u32,
    /// How long a stopped isolate may take to yield before its thread is replaced.
    pub stop_grace: Duration,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            wall_time: Duration::from_secs(30),
            cpu_time: Duration::from_secs(5),
            memory: ByteSize::mib(128),
            stack: ByteSize::mib(1),
            invoke_depth: 16,
            stop_grace: Duration::from_millis(250),
        }
    }
}

/// `[functions]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FunctionsConfig {
    /// Which store holds functions.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The store that was picked.
    #[serde(skip)]
    pub selected: Backend,
}

/// `[documents]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DocumentsConfig {
    /// Which store holds documents. Left out: the one of `[functions]`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The store that was picked.
    #[serde(skip)]
    pub selected: Backend,
}

/// `[storage]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Which store holds objects.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub backend: String,
    /// The bucket of `cloud.storage.bucket()`.
    pub bucket: String,
    /// Other buckets that functions may name; `*` alone allows all.
    pub buckets: Vec<String>,
    /// The store that was picked.
    #[serde(skip)]
    pub selected: Backend,
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            backend: String::new(),
            bucket: "default".to_owned(),
            buckets: Vec::new(),
            selected: Backend::default(),
        }
    }
}

/// `[env]`
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EnvConfig {
    /// Variables of the process that functions see; `*` stands for any characters.
    pub pass: Vec<String>,
    /// Further variables, which win over those of the process.
    pub vars: BTreeMap<String, String>,
}

impl EnvConfig {
    /// What functions see, out of the process's `variables`.
    pub fn resolve(&self, variables: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
        let passed =
            variables.into_iter().filter(|(name, _)| self.pass.iter().any(|glob| matches(glob, name)));
        passed.chain(self.vars.clone()).collect()
    }
}

/// Values may be secrets.
impl fmt::Debug for EnvConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.vars.keys().collect();
        f.debug_struct("EnvConfig").field("pass", &self.pass).field("vars", &names).finish()
    }
}

/// Whether `glob`, in which `*` stands for any characters, fits the whole of `name`.
fn matches(glob: &str, name: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    name.char_indices().map(|(at, _)| at).chain([name.len()]).any(|at| matches(rest, &name[at..]))
}

/// `[logs]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LogsConfig {
    /// Size of the encoded `x-function-logs` header; the newest lines that fit are kept.
    pub header_limit: ByteSize,
    /// Lines kept of an invocation; the newest win.
    pub lines: usize,
    /// Bytes kept of a line.
    pub line_limit: ByteSize,
    /// Invocations whose full logs can be fetched by id.
    pub keep: usize,
}

impl LogsConfig {
    /// What one invocation may print.
    pub const fn log_limits(&self) -> LogLimits {
        LogLimits { lines: self.lines, line_limit: self.line_limit.as_usize() }
    }
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self { header_limit: ByteSize::kib(4), lines: 256, line_limit: ByteSize::kib(32), keep: 1000 }
    }
}

/// `[fetch]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FetchConfig {
    /// Hosts that functions may fetch from: `api.example.com`, `*.example.com`; `*` alone allows
    /// all. Empty: none, `fetch` is off.
    pub allow: Vec<String>,
}

/// `[telemetry]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// How the server's log is written to standard error.
    pub format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a list of those for parts of
    /// the server. At level info the target `tandem::invocation` writes a line for each invocation.
    pub level: String,
}

impl Default for TelemetryConfig {
    fn default() -> Self {
        Self { format: LogFormat::Human, level: "info,tandem::invocation=warn".to_owned() }
    }
}

/// How a log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, name, expected) in [
            ("APP_*", "APP_NAME", true),
            ("APP_*", "APP_", true),
            ("APP_*", "MY_APP_NAME", false),
            ("HOME", "HOME", true),
            ("HOME", "HOMER", false),
            ("*_KEY", "API_KEY", true),
            ("*_KEY", "API_KEYS", false),
            ("A*B*C", "AxxByC", true),
            ("*", "", true),
        ] {
            assert_eq!(matches(glob, name), expected, "{glob} on {name}");
        }
    }

    #[test]
    fn functions_see_what_is_passed_and_set() {
        let env = EnvConfig {
            pass: vec!["APP_*".to_owned()],
            vars: BTreeMap::from([("APP_MODE".to_owned(), "set".to_owned())]),
        };
        let process = [("APP_MODE", "process"), ("APP_NAME", "x"), ("PATH", "/bin")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()));
        let expected = [("APP_MODE", "set"), ("APP_NAME", "x")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(env.resolve(process), BTreeMap::from(expected));
    }
}
