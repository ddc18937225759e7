use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tandem_contract::{Entropy, OpenContext, SystemClock, SystemEntropy};
use tandem_isolate_pool::run_in_batches;
use tokio::net::TcpListener;

use super::args::SettingsArgs;
use super::failure::{Exit, Failure};
use crate::app::App;
use crate::config::{Config, LogFormat, Sources, Token, load, token};
use crate::registry::Registry;
use crate::{builtins, telemetry};

/// A server that is open and about to listen.
pub(super) struct Running {
    pub(super) app: App,
    pub(super) listener: TcpListener,
    /// The address with the port that was taken.
    pub(super) address: SocketAddr,
    pub(super) token: Token,
    pub(super) config: Config,
    pub(super) context: OpenContext,
}

/// Reads the configuration, `--listen` over all else, and prepares the process for its engine.
pub(super) fn configure(
    settings: &SettingsArgs,
    listen: Option<SocketAddr>,
) -> Result<(Config, Registry), Failure> {
    let mut sets = settings.set.clone();
    sets.extend(listen.map(|address| format!("server.listen={address}")));
    let registry = builtins::registry();
    let loaded = load(&Sources::of_process(settings.config.clone(), sets), &registry)?;
    let telemetry = &loaded.config.telemetry;
    let format = match telemetry.format {
        LogFormat::Human => telemetry::LogFormat::Human,
        LogFormat::Json => telemetry::LogFormat::Json,
    };
    telemetry::init(format, &telemetry.level)?;
    registry.engines.prepare_process(&loaded.config.engine.selected);
    Ok((loaded.config, registry))
}

/// What backends use from outside: the machine's clock and randomness, paths from this folder on.
pub(super) fn context() -> OpenContext {
    OpenContext { clock: Arc::new(SystemClock), entropy: Arc::new(SystemEntropy), base: PathBuf::from(".") }
}

/// Starts the threads that requests are served on, and runs `main` on them. Started by hand
/// rather than by `#[tokio::main]`, because an engine may have to prepare the process while it has
/// one thread only.
pub(super) fn block_on(main: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    raise_open_files();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .on_thread_start(run_in_batches)
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("the server's threads cannot start: {error}")))?;
    let ended = runtime.block_on(main);
    // A thread that still compiles or pings must not hold up the exit.
    runtime.shutdown_background();
    ended
}

/// Files that a server may need: connections and isolates, with room to spare.
const OPEN_FILES: u64 = 1 << 20;

/// Lets the process open as many files as it is allowed to: the usual limit of a shell is far
/// below the number of connections that are served.
fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(OPEN_FILES, |maximum| maximum.min(OPEN_FILES));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!(%error, "the limit on open files stays");
    }
}

impl Running {
    /// Takes the port and opens every part.
    pub(super) async fn open(config: Config, registry: &Registry) -> Result<Self, Failure> {
        let context = context();
        let entropy: &dyn Entropy = &*context.entropy;
        let token = token(&config, &context.base, entropy)
            .map_err(|error| Failure::new(Exit::Usage, error.message()))?;
        let listener = TcpListener::bind(config.server.listen)
            .await
            .map_err(|error| taken(config.server.listen, &error))?;
        let address = listener.local_addr().map_err(|error| taken(config.server.listen, &error))?;
        let app = App::open(&config, registry, context.clone(), token.secret.expose(), address).await?;
        Ok(Self { app, listener, address, token, config, context })
    }

    /// Where a client on this machine finds the server.
    pub(super) fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address {
                SocketAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                SocketAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        let scheme = if self.config.server.tls.cert.is_some() { "https" } else { "http" };
        format!("{scheme}://{address}")
    }
}

fn taken(address: SocketAddr, error: &std::io::Error) -> Failure {
    let message = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            let mut other = address;
            other.set_port(address.port().checked_add(1).unwrap_or(8000));
            format!(
                "port {} of {} is taken, maybe by another server: choose another with --listen {other} or `server.listen`",
                address.port(),
                address.ip()
            )
        }
        _ => format!(
            "{address} cannot be listened on: {error}; choose another address with --listen or `server.listen`"
        ),
    };
    Failure::new(Exit::Failed, message)
}
