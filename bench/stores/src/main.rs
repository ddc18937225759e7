//! Documents through a function, beside the same call made directly with the driver, by this program
//! and by an HTTP server in Rust.
//!
//! Rounds are interleaved: in each, every way of doing an operation runs for the same time with
//! the same number in flight. The table gives the median over rounds of the time an operation
//! took up (elapsed time over operations) and its ratio to another's in the same round: what an HTTP
//! call of a function costs beside the driver alone and beside the driver behind HTTP, and what an
//! operation costs in a function that does many.

mod client;
mod driver;
mod function;
mod handler;
mod report;
mod work;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::client::Client;

/// Measures a Tandem server that runs on the backend named
#[derive(Parser)]
struct Args {
    /// Address of the server
    #[arg(long, default_value = "http://127.0.0.1:8000")]
    url: String,
    /// Its develop token
    #[arg(long, env = "TANDEM_TOKEN", hide_env_values = true)]
    token: String,
    /// What its `documents.backend` is
    #[arg(long)]
    backend: Backend,
    /// Where the driver finds the same database server, or a file for SQLite
    #[arg(long, env = "BENCH_DATABASE_URL", hide_env_values = true)]
    database: String,
    /// Operations in flight
    #[arg(long, default_value_t = 16)]
    in_flight: usize,
    /// Rounds
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

/// A document store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    Sqlite,
    Postgres,
    Mongo,
}

fn main() -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    match runtime.block_on(run(&Args::parse())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    eprintln!("bench-stores: {error}");
    ExitCode::FAILURE
}

async fn run(args: &Args) -> Result<(), String> {
    let driver = driver::open(args.backend, &args.database).await?;
    let tandem = args.url.strip_prefix("http://").ok_or("--url must start with http://")?;
    let tandem = Client::new(tandem.trim_end_matches('/'), &args.token);
    function::publish(&tandem).await?;
    function::seed(&tandem, work::DOCUMENTS).await?;
    let rust = handler::start(Arc::clone(&driver)).map_err(|error| error.to_string())?;
    let rust = Client::new(&rust.to_string(), "");
    let (in_flight, duration) = (args.in_flight, Duration::from_secs(args.seconds));
    let mut table = report::Table::default();
    for round in 0..=args.rounds {
        for operation in work::Operation::ALL {
            let direct = {
                let driver = Arc::clone(&driver);
                move |_: usize, n| {
                    let driver = Arc::clone(&driver);
                    async move { driver.call(operation, n).await }
                }
            };
            let (function, handler) = (function::path(operation), handler::path(operation));
            let measured = report::Round {
                operation,
                driver: work::measure(in_flight, duration, direct).await?,
                handler: rust.measure(&handler, 1, in_flight, duration).await?,
                function: tandem.measure(&function, 1, in_flight, duration).await?,
                batch: tandem.measure(&function, work::BATCH, in_flight, duration).await?,
            };
            // The first round warms caches and pools.
            if round > 0 {
                table.add(measured);
            }
        }
    }
    println!(
        "{:?}, {} in flight, {} rounds of {} s",
        args.backend, args.in_flight, args.rounds, args.seconds
    );
    println!("{table}");
    Ok(())
}
