//! Put and get of 4 KiB and of 16 MiB through a function, beside the SDK called directly, in turns on
//! the same server: one call at a time, and sixteen at once for the small ones.
//!
//! ```sh
//! S3_ENDPOINT=… S3_REGION=… S3_ACCESS_KEY=… S3_SECRET_KEY=… S3_BUCKET=… \
//!   TANDEM_URL=http://127.0.0.1:8000 DEVELOP_TOKEN=… cargo run --release --example overhead -p tandem-store-s3
//! ```
//!
//! The server at `TANDEM_URL` keeps its objects in the same bucket. Medians are compared: both run on
//! one machine with the store, and a mean would compare its pauses. Times are those that one call takes
//! up: that of all that are in flight together, over their number.

use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use futures_util::future::try_join_all;

type Failure = Box<dyn std::error::Error>;

/// What functions do, once for each size. The bytes that are written are made once.
const FUNCTIONS: [(&str, &str); 2] = [
    (
        "overhead/put",
        "import cloud from '@tandem/cloud'; const made = {}; export default async ({ query }) => { const bytes = (made[query.size] ??= new Uint8Array(Number(query.size))); await cloud.storage.bucket().writeFile(`overhead/${query.size}-${query.n}`, bytes); }",
    ),
    (
        "overhead/get",
        "import cloud from '@tandem/cloud'; export default async ({ query }) => (await cloud.storage.bucket().readFile(`overhead/${query.size}-${query.n}`)).length",
    ),
];

struct Bench {
    http: reqwest::Client,
    server: String,
    token: String,
    direct: Client,
    bucket: String,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let bench = Bench::from_environment()?;
    bench.publish().await?;
    println!("{:<8} {:>9} {:>12} {:>12} {:>8}", "", "in flight", "direct", "function", "over");
    for (label, size, at_once, rounds) in
        [("4 KiB", 4 << 10, 1, 300), ("4 KiB", 4 << 10, 16, 100), ("16 MiB", 16 << 20, 1, 20)]
    {
        let bytes = Bytes::from(vec![0; size]);
        let (mut times, warm) = ([const { Vec::new() }; 4], rounds / 10 + 1);
        for round in 0..rounds + warm {
            let took = [
                timed(at_once, |n| bench.direct_put(n, &bytes)).await?,
                timed(at_once, |n| bench.call("put", n, size)).await?,
                timed(at_once, |n| bench.direct_get(n, size)).await?,
                timed(at_once, |n| bench.call("get", n, size)).await?,
            ];
            if round >= warm {
                times.iter_mut().zip(took).for_each(|(times, took)| times.push(took));
            }
        }
        let [put, put_through, get, get_through] = times.map(median);
        for (verb, direct, through) in [("put", put, put_through), ("get", get, get_through)] {
            let over = (through.as_secs_f64() / direct.as_secs_f64() - 1.0) * 100.0;
            let what = format!("{verb} {label}");
            println!("{what:<10} {at_once:>7} {direct:>12.1?} {through:>12.1?} {over:>7.0}%");
        }
    }
    Ok(())
}

impl Bench {
    fn from_environment() -> Result<Self, Failure> {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} is not set"));
        let keys =
            Credentials::new(variable("S3_ACCESS_KEY")?, variable("S3_SECRET_KEY")?, None, None, "bench");
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .endpoint_url(variable("S3_ENDPOINT")?)
            .region(Region::new(variable("S3_REGION")?))
            .force_path_style(true)
            .credentials_provider(keys)
            .http_client(
                aws_smithy_http_client::Builder::new()
                    .tls_provider(aws_smithy_http_client::tls::Provider::Rustls(
                        aws_smithy_http_client::tls::rustls_provider::CryptoMode::Ring,
                    ))
                    .build_https(),
            );
        // Refused when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            server: variable("TANDEM_URL")?,
            token: variable("DEVELOP_TOKEN")?,
            direct: Client::from_conf(config.build()),
            bucket: variable("S3_BUCKET")?,
        })
    }

    async fn publish(&self) -> Result<(), Failure> {
        for (name, source) in FUNCTIONS {
            let url = format!("{}/functions/{name}", self.server);
            let request = self.http.put(url).header("x-develop-token", &self.token);
            request
                .json(&serde_json::json!({ "source": source, "language": "javascript" }))
                .send()
                .await?
                .error_for_status()?;
        }
        Ok(())
    }

    async fn call(&self, verb: &str, n: usize, size: usize) -> Result<(), Failure> {
        let url = format!("{}/invoke/overhead/{verb}?size={size}&n={n}", self.server);
        let answer = self.http.post(url).header("x-develop-token", &self.token).send().await?;
        answer.error_for_status()?.bytes().await?;
        Ok(())
    }

    async fn direct_put(&self, n: usize, bytes: &Bytes) -> Result<(), Failure> {
        let key = format!("overhead/direct-{}-{n}", bytes.len());
        self.direct.put_object().bucket(&self.bucket).key(key).body(bytes.clone().into()).send().await?;
        Ok(())
    }

    async fn direct_get(&self, n: usize, size: usize) -> Result<(), Failure> {
        let key = format!("overhead/direct-{size}-{n}");
        let found = self.direct.get_object().bucket(&self.bucket).key(key).send().await?;
        let whole = found.body.collect().await?.into_bytes();
        if whole.len() == size { Ok(()) } else { Err("another size came back".into()) }
    }
}

/// The time that a call takes up of which `at_once` are in flight, the first with the number 0.
async fn timed<F>(at_once: usize, call: impl Fn(usize) -> F) -> Result<Duration, Failure>
where
    F: Future<Output = Result<(), Failure>>,
{
    let started = Instant::now();
    try_join_all((0..at_once).map(call)).await?;
    Ok(started.elapsed() / u32::try_from(at_once)?)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
