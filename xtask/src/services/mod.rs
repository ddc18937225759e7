//! Throw-away servers for the tests, on free ports: MongoDB, Postgres, two S3 servers and Azurite.

mod azurite;
mod home;
mod juicefs;
mod mongo;
mod postgres;
pub(crate) mod python;
mod seaweedfs;
mod wait;

use std::path::Path;

use clap::{Args, Subcommand};

use home::{Home, Running};

#[derive(Args)]
pub(crate) struct ServicesArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Start what does not run yet, and print the variables that tell the tests where
    Up {
        /// Install missing system packages (Postgres) with apt-get; needs root
        #[arg(long)]
        install: bool,
    },
    /// Stop every server and remove its data; what was downloaded stays
    Down,
}

/// A kind of server.
struct Service {
    name: &'static str,
    start: fn(&Home, Install) -> Result<Running, String>,
}

/// Whether system packages may be installed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Install {
    Allowed,
    Refused,
}

const SERVICES: [Service; 5] = [
    Service { name: "postgres", start: postgres::start },
    Service { name: "mongo", start: mongo::start },
    Service { name: "seaweedfs", start: seaweedfs::start },
    Service { name: "juicefs", start: juicefs::start },
    Service { name: "azurite", start: azurite::start },
];

pub(crate) fn run(args: &ServicesArgs) -> Result<(), String> {
    match args.action {
        Action::Up { install } => {
            let install = if install { Install::Allowed } else { Install::Refused };
            for (name, value) in up(install)? {
                println!("export {name}='{value}'");
            }
            Ok(())
        }
        Action::Down => down(),
    }
}

/// Starts what does not run yet; the variables that tell the tests where.
///
/// # Errors
/// Which server did not start, and why. Those that did go on running.
pub(crate) fn up(install: Install) -> Result<Vec<(String, String)>, String> {
    let mut all = Vec::new();
    let mut failures = Vec::new();
    for service in &SERVICES {
        let home = Home::of(service.name)?;
        let started = match home.running() {
            Some(running) => Ok(running),
            None => {
                eprintln!("xtask: starting {}", service.name);
                home.renew()
                    .and_then(|()| (service.start)(&home, install))
                    .and_then(|running| home.remember(running))
            }
        };
        match started {
            Ok(running) => all.push(running),
            Err(error) => failures.push(format!("{}: {error}", service.name)),
        }
    }
    if failures.is_empty() { Ok(variables(&all)) } else { Err(failures.join("\n  ")) }
}

/// The variables of the servers that run now.
pub(crate) fn of_running() -> Vec<(String, String)> {
    let homes = SERVICES.iter().filter_map(|service| Home::of(service.name).ok());
    variables(&homes.filter_map(|home| home.running()).collect::<Vec<_>>())
}

/// Stops every server and removes its data.
///
/// # Errors
/// What could not be stopped or removed.
pub(crate) fn down() -> Result<(), String> {
    SERVICES.iter().try_for_each(|service| Home::of(service.name)?.destroy())
}

/// One variable a server, but a JSON array of all S3 servers in one.
fn variables(running: &[Running]) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let mut s3 = Vec::new();
    for server in running {
        match server.variable.as_str() {
            "TANDEM_TEST_S3" => s3.push(server.value.clone()),
            _ => variables.push((server.variable.clone(), server.value.clone())),
        }
    }
    if !s3.is_empty() {
        variables.push(("TANDEM_TEST_S3".to_owned(), format!("[{}]", s3.join(","))));
    }
    variables
}

/// Credentials, region and bucket of the S3 servers.
const S3_KEY: &str = "testkey";
const S3_SECRET: &str = "testsecret123";
const S3_REGION: &str = "us-east-1";
const S3_BUCKET: &str = "test";
/// The base of host names that have a bucket as their first part; no resolver needs to know it.
const S3_DOMAIN: &str = "s3.tandem.test";

/// What the tests read of an S3 server; `more` are members that it alone has.
fn s3_value(name: &str, port: u16, more: &str) -> String {
    format!(
        r#"{{"name":"{name}","endpoint":"http://127.0.0.1:{port}","region":"{S3_REGION}","access_key":"{S3_KEY}","secret_key":"{S3_SECRET}","bucket":"{S3_BUCKET}","domain":"{S3_DOMAIN}"{more}}}"#
    )
}

/// Makes the bucket; curl signs the request.
fn make_bucket(port: u16, log: &Path) -> Result<(), String> {
    let url = format!("http://127.0.0.1:{port}/{S3_BUCKET}");
    let user = format!("{S3_KEY}:{S3_SECRET}");
    let signer = format!("aws:amz:{S3_REGION}:s3");
    let arguments = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "--aws-sigv4", &signer, "--user", &user];
    wait::until(log, || {
        let status = home::output("curl", arguments.iter().copied().chain(["-X", "PUT", &url]))?;
        match status.as_str() {
            "200" | "409" => Ok(true),
            // Still starting.
            _ => Ok(false),
        }
    })
}
