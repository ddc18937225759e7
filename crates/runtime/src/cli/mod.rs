//! The command line. Verbs of a server run it in this process; remote verbs speak HTTP to one.

mod args;
mod check;
mod code_frame;
mod config;
mod deploy;
mod dev;
mod failure;
mod function_files;
mod functions;
mod generate;
mod invoke;
mod logs;
mod migrate;
mod output;
mod remote;
mod running;
mod serve;
mod signals;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

pub use args::{Cli, Command};
pub use failure::{Exit, Failure};

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    // Clients of several crates share the process's one provider; a build with all of them has no
    // other. It is refused only where there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<(), Failure> {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Dev(args) => dev::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Migrate(args) => migrate::run(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Deploy(args) => remote::block_on(deploy::run(&args)),
        Command::List(args) => remote::block_on(functions::list(&args)),
        Command::Get(args) => remote::block_on(functions::get(&args)),
        Command::Delete(args) => remote::block_on(functions::delete(&args)),
        Command::Invoke(args) => remote::block_on(invoke::run(&args)),
        Command::Logs(args) => remote::block_on(logs::run(&args)),
    }
}
