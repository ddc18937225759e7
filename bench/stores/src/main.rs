//! Documents through a function, beside the same call made directly with the driver.
//!
//! Rounds are interleaved: in each, every way of doing an operation runs for the same time with
//! the same number in flight. The table gives the median over rounds of the time an operation
//! took up (elapsed time over operations) and its ratio to the driver's in the same round.

mod driver;
mod function;
mod report;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};

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
    let functions = function::Functions::publish(&args.url, &args.token).await?;
    functions.seed(work::DOCUMENTS).await?;
    let duration = Duration::from_secs(args.seconds);
    let mut table = report::Table::default();
    for round in 0..=args.rounds {
        for operation in work::Operation::ALL {
            let direct = work::measure(args.in_flight, duration, |n| driver.call(operation, n)).await?;
            let single = functions.measure(operation, 1, args.in_flight, duration).await?;
            let many = functions.measure(operation, work::BATCH, args.in_flight, duration).await?;
            // The first round warms caches and pools.
            if round > 0 {
                table.add(operation, direct, single, many);
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
