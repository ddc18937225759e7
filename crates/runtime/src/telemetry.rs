//! Where the server's own log goes: standard error, for people or for machines.
//!
//! Each invocation is an event of the target `tandem::invocation` at level debug, because writing
//! a line costs as much as a short function: `info,tandem::invocation=debug` turns them on.

use std::io::IsTerminal as _;

use tandem_contract::{Error, ErrorKind, Result};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line.
    Json,
}

/// Starts logging. Once a process.
///
/// # Errors
/// `InvalidArgument` when `filter` is not a list of `target=level` or logging was started before.
pub fn init(format: LogFormat, filter: &str) -> Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, format!("Invalid log filter {filter:?}: {error}"))
    })?;
    let registry = tracing_subscriber::registry().with(filter).with(filter_fn(is_discreet));
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let started = match format {
        LogFormat::Human => registry.with(layer.with_ansi(std::io::stderr().is_terminal())).try_init(),
        LogFormat::Json => registry.with(layer.json().flatten_event(true)).try_init(),
    };
    started.map_err(|error| Error::new(ErrorKind::InvalidArgument, format!("Logging cannot start: {error}")))
}

/// Whether an event may be written: below level info the SDK of S3 prints whole settings, parts of
/// the credentials among them.
fn is_discreet(event: &tracing::Metadata<'_>) -> bool {
    !event.target().starts_with("aws_") || *event.level() <= LevelFilter::INFO
}
