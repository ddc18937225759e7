use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};
use tandem_contract::settings::{ByteSize, Duration, Secret};

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// The address and port to listen on. Port 0 takes any that is free.
    #[serde(deserialize_with = "listen_address")]
    #[schemars(with = "String")]
    pub listen: SocketAddr,
    /// The develop token that every request but health, metrics and signed URLs must bring in
    /// `x-develop-token`. Without one the server starts only on loopback, makes one and prints it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Secret>,
    /// A file that holds the token; white space around it is cut off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Wrong tokens that one address (one /64 of IPv6) may send a minute. Past that every request
    /// of it that needs the token is refused with 429 until the minute allows it. 0: no limit.
    pub token_failures: u32,
    /// Networks of the proxies in front of the server, such as `10.0.0.0/8`: the client's address
    /// is then the last one in `X-Forwarded-For` that is not of these.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// The address under which clients reach the server, for signed URLs: `https://api.example.com`.
    /// Left out: `listen`, with `http://`, or `https://` when there is a certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_url: Option<String>,
    /// Connections at once. At the limit one that is idle is closed for the new one; if there is
    /// none, the new one is refused with 503.
    pub max_connections: usize,
    /// The longest path and query; a longer one is refused with 414.
    pub uri_limit: ByteSize,
    /// The longest request line and headers together; longer ones are refused with 431.
    pub head_limit: ByteSize,
    /// How long a client may take to send them, or to finish a TLS handshake.
    pub head_timeout: Duration,
    /// How long a body may make no progress, and an answer that the client does not take.
    pub body_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// The largest request body; a larger one is refused with 413.
    pub body_limit: ByteSize,
    /// All request bodies held at once; past that, requests with a body are refused with 503.
    pub body_memory: ByteSize,
    /// Requests in work at once; more wait in the queue.
    pub max_in_flight: usize,
    /// Requests that may wait; more are refused with 503 and `Retry-After`.
    pub queue: usize,
    /// How long invocations in flight may go on after a signal to stop.
    pub shutdown_grace: Duration,
    /// How functions share `max_in_flight` and `queue`.
    pub fairness: FairnessConfig,
    /// HTTPS. Left out, the server speaks HTTP.
    pub tls: TlsConfig,
    /// Which web pages may call the server (CORS). Left out: none of other origins.
    pub cors: CorsConfig,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
            token: None,
            token_file: None,
            token_failures: 30,
            trusted_proxies: Vec::new(),
            public_url: None,
            max_connections: 8192,
            uri_limit: ByteSize::kib(16),
            head_limit: ByteSize::kib(64),
            head_timeout: Duration::from_secs(15),
            body_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(75),
            body_limit: ByteSize::mib(10),
            body_memory: ByteSize::mib(512),
            max_in_flight: 1024,
            queue: 1024,
            shutdown_grace: Duration::from_secs(15),
            fairness: FairnessConfig::default(),
            tls: TlsConfig::default(),
            cors: CorsConfig::default(),
        }
    }
}

/// `[server.fairness]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FairnessConfig {
    /// A function may hold at most `factor` times its weight times the places that are still free,
    /// in work and in the queue. With 4 one busy function gets 80% of the places, two get 44%
    /// each, and some are always left for the others. 0: first come, first served.
    pub factor: f64,
    /// Functions whose share is larger or smaller than that of the others, which have weight 1.
    pub weights: BTreeMap<String, Weight>,
}

impl Default for FairnessConfig {
    fn default() -> Self {
        Self { factor: 4.0, weights: BTreeMap::new() }
    }
}

/// The weight of a function. A variable or `--set` gives it as text.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Weight(pub f64);

impl<'de> Deserialize<'de> for Weight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        let weight = match Written::deserialize(deserializer)? {
            Written::Number(number) => Some(number),
            Written::Text(text) => text.parse().ok(),
        };
        weight
            .filter(|weight| (0.01..=100.0).contains(weight))
            .map(Self)
            .ok_or_else(|| de::Error::custom("a weight is a number from 0.01 to 100"))
    }
}

impl JsonSchema for Weight {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Weight".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "number", "minimum": 0.01, "maximum": 100 })
    }
}

/// `[server.tls]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TlsConfig {
    /// A file with the certificate and those that vouch for it, in PEM. Read again when it or the
    /// key changes, and on SIGHUP.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// A file with its private key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// `[server.cors]`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins of pages that may call, such as `https://app.example.com`; `*` alone allows all.
    pub origins: Vec<String>,
    /// Methods they may use.
    pub methods: Vec<String>,
    /// Headers they may send; `*` alone allows all.
    pub headers: Vec<String>,
    /// Headers of answers that they may read.
    pub expose: Vec<String>,
    /// Whether browsers may send cookies along.
    pub credentials: bool,
    /// How long a browser may remember the answer.
    pub max_age: Duration,
}

impl Default for CorsConfig {
    fn default() -> Self {
        let all = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: all(&["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]),
            headers: all(&["content-type", "x-develop-token", "x-request-id", "range"]),
            expose: all(&["x-function-logs", "x-execution-time", "x-request-id", "etag", "content-range"]),
            credentials: false,
            max_age: Duration::from_secs(600),
        }
    }
}

/// `localhost` stands for 127.0.0.1, because that is what people write; other host names would
/// need a resolver before the server can say where it listens.
fn listen_address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SocketAddr, D::Error> {
    const EXPECTED: &str = "an address with a port, such as \"127.0.0.1:8000\"";
    let text = String::deserialize(deserializer)?;
    let numeric = match text.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => text.clone(),
    };
    numeric.parse().map_err(|_| de::Error::custom(format!("{text:?} is not {EXPECTED}")))
}
