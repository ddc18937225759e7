use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use tandem_cloud::{CloudHost, CloudParts, FetchSettings, StorageSettings};
use tandem_contract::{BlobStore, Bucket, Clock, DocumentStore, Error, OpenContext, Result};

use super::args::CheckArgs;
use super::failure::{Exit, Failure, operator_text};
use super::output::{self, BAD, DIM, GOOD};
use super::running;
use crate::builtins;
use crate::config::{Config, Sources, load, token};
use crate::registry::Registry;

/// How long a backend may take to open and to answer: all are asked at once, and a check is to be
/// over within five seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(4);

/// What became of one part.
#[derive(Debug, Serialize)]
struct Report {
    name: &'static str,
    backend: String,
    ok: bool,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// `tandem check`
pub(super) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let registry = builtins::registry();
    let context = running::context();
    let sources = Sources::of_process(args.settings.config.clone(), args.settings.set.clone());
    let config = match load(&sources, &registry) {
        Ok(loaded) => loaded.config,
        Err(error) => return Err(refuse(args, error.into())),
    };
    if let Err(error) = token(&config, &context.base, &*context.entropy) {
        return Err(refuse(args, Failure::new(Exit::Usage, error.message())));
    }
    registry.engines.prepare_process(&config.engine.selected);
    running::block_on(async {
        let reports = check(&config, &registry, &context).await;
        let ok = reports.iter().all(|report| report.ok);
        if args.json {
            output::json(&serde_json::json!({ "ok": ok, "checks": reports }));
        } else {
            output::line(format_args!("{GOOD}ok{GOOD:#}      configuration"));
            reports.iter().for_each(print);
        }
        if ok { Ok(()) } else { Err(Failure::said(Exit::Failed)) }
    })
}

/// A configuration that cannot be used is a check that failed: exit code 1, as a script expects
/// of a check.
fn refuse(args: &CheckArgs, failure: Failure) -> Failure {
    if args.json {
        output::json(&serde_json::json!({ "ok": false, "error": failure.message, "checks": [] }));
        return Failure::said(Exit::Failed);
    }
    Failure { exit: Exit::Failed, ..failure }
}

async fn check(config: &Config, registry: &Registry, context: &OpenContext) -> Vec<Report> {
    let functions = timed("functions", &config.functions.selected.name, context, async {
        let store = registry.functions.open(&config.functions.selected, context.clone()).await?;
        store.ping().await?;
        store.close().await;
        Ok(())
    });
    let documents = timed("documents", &config.documents.selected.name, context, async {
        let store = registry.documents.open(&config.documents.selected, context.clone()).await?;
        store.ping().await.map(|()| store)
    });
    let blobs = timed("storage", &config.storage.selected.name, context, async {
        let store = registry.blobs.open(&config.storage.selected, context.clone()).await?;
        store.ping(&Bucket::new(&config.storage.bucket)?).await.map(|()| store)
    });
    let ((functions, _), (documents, document_store), (blobs, blob_store)) =
        futures_util::join!(functions, documents, blobs);
    let engine = match (&document_store, &blob_store) {
        (Some(documents), Some(blobs)) => {
            let opening =
                async { open_engine(config, registry, context, documents.clone(), blobs.clone()).await };
            timed("engine", &config.engine.selected.name, context, opening).await.0
        }
        _ => Report {
            name: "engine",
            backend: config.engine.selected.name.clone(),
            ok: false,
            ms: 0.0,
            error: Some("not tried: it needs the documents and the storage".to_owned()),
        },
    };
    if let Some(store) = document_store {
        store.close().await;
    }
    if let Some(store) = blob_store {
        store.close().await;
    }
    vec![engine, functions, documents, blobs]
}

async fn open_engine(
    config: &Config,
    registry: &Registry,
    context: &OpenContext,
    documents: Arc<dyn DocumentStore>,
    blobs: Arc<dyn BlobStore>,
) -> Result<()> {
    let host = CloudHost::new(CloudParts {
        documents,
        blobs,
        signer: None,
        env: config.env.resolve([]),
        storage: StorageSettings {
            default_bucket: config.storage.bucket.clone(),
            buckets: config.storage.buckets.clone(),
        },
        fetch: FetchSettings { allow: config.fetch.allow.clone() },
        clock: context.clock.clone(),
        entropy: context.entropy.clone(),
    })?;
    let engine =
        registry.engines.open_engine(&config.engine.selected, config.engine.engine_limits(), host)?;
    engine.shutdown(Duration::ZERO).await;
    Ok(())
}

async fn timed<T>(
    name: &'static str,
    backend: &str,
    context: &OpenContext,
    check: impl Future<Output = Result<T>>,
) -> (Report, Option<T>) {
    let clock: &dyn Clock = &*context.clock;
    let started = clock.monotonic();
    let ended = tokio::time::timeout(ANSWER_WITHIN, check).await;
    let ms = clock.monotonic().saturating_duration_since(started).as_secs_f64() * 1e3;
    let (value, error) = match ended {
        Ok(Ok(value)) => (Some(value), None),
        Ok(Err(error)) => (None, Some(error)),
        Err(_) => (None, Some(Error::unavailable(name, format!("no answer within {ANSWER_WITHIN:?}")))),
    };
    let error = error.map(|error| operator_text(&error));
    (
        Report {
            name,
            backend: backend.to_owned(),
            ok: error.is_none(),
            ms: (ms * 10.0).round() / 10.0,
            error,
        },
        value,
    )
}

fn print(report: &Report) {
    let Report { name, backend, ok, ms, error } = report;
    let word = if *ok { format!("{GOOD}ok{GOOD:#}    ") } else { format!("{BAD}failed{BAD:#}") };
    let error = error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
    output::line(format_args!("{word}  {name:<9}  {backend}  {DIM}{ms:.1} ms{DIM:#}{error}"));
}
