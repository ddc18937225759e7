//! The project's own tasks: `cargo xtask TASK`.

mod chaos;
mod deploy;
mod docs;
mod load;
mod process;
mod services;
mod soak;
mod test;
mod tidy;
mod v8;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Tandem project
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the binary and run every test, the conformance suite included
    Test(test::TestArgs),
    /// Start or stop throw-away servers for the tests
    Services(services::ServicesArgs),
    /// Write config/schema.json and docs/configuration.md anew from the types
    Docs(docs::DocsArgs),
    /// Drive a server with mixed traffic and faults, and check that all stays level
    Soak(soak::SoakArgs),
    /// Overload, misuse, kill and stop a server, and check what must hold
    Chaos(chaos::ChaosArgs),
    /// Check the files in deploy/ with the programs that read them
    Deploy,
    /// Check format, lints and the length of files
    Tidy,
    /// Tell where a build with the feature `v8` gets its archive, or how to get one
    V8,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test(args) => test::run(&args),
        Task::Services(args) => services::run(&args),
        Task::Docs(args) => docs::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::Chaos(args) => chaos::run(&args),
        Task::Deploy => deploy::run(),
        Task::Tidy => tidy::run(),
        Task::V8 => v8::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
