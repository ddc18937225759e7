use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed: a compile error, a backend that does not answer, a refusal by the server
  2  the command line or the configuration is wrong
  3  the server cannot be reached
  4  there is no such function or invocation
  5  the function failed: it threw, hit a limit, or answered with a status of 400 or more
  6  the token is missing or wrong";

/// A self-hosted runtime for JavaScript and TypeScript cloud functions.
#[derive(Debug, Parser)]
#[command(name = "tandem", version, after_help = EXIT_CODES, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the server
    #[command(
        after_help = "Examples:\n  tandem serve\n  tandem serve --config /etc/tandem.toml --set server.listen=0.0.0.0:8000"
    )]
    Serve(ServeArgs),
    /// Start a server on a folder of functions and publish every change in it
    #[command(
        after_help = "Examples:\n  tandem dev examples/functions\n  tandem dev . --listen 127.0.0.1:9000\n\nA file's name without its extension is the function's name: users/create.ts is users/create."
    )]
    Dev(DevArgs),
    /// Publish functions from files and folders
    #[command(
        after_help = "Examples:\n  tandem deploy hello.ts\n  tandem deploy functions --url https://api.example.com --token $TOKEN\n\nWhat compiles is published; the exit code is 1 if anything did not."
    )]
    Deploy(DeployArgs),
    /// List the published functions
    #[command(after_help = "Examples:\n  tandem list\n  tandem list --json | jq -r '.[].name'")]
    List(ListArgs),
    /// Print a function's source
    #[command(
        after_help = "Examples:\n  tandem get hello > hello.ts\n  tandem get hello --json | jq .revision"
    )]
    Get(GetArgs),
    /// Delete functions
    #[command(after_help = "Examples:\n  tandem delete hello\n  tandem delete hello users/create")]
    Delete(DeleteArgs),
    /// Call a function; its reply goes to standard output, its log lines to standard error
    #[command(
        after_help = "Examples:\n  tandem invoke hello\n  tandem invoke hello --data '{\"name\": \"Ada\"}'\n  tandem invoke import --data @people.json --query dry=true\n  echo '[1, 2]' | tandem invoke sum --data -"
    )]
    Invoke(InvokeArgs),
    /// Show log lines of recent invocations, or of the request ID
    #[command(
        after_help = "Examples:\n  tandem logs --function hello --limit 5\n  tandem logs --follow\n  tandem logs 0197f0c2-8d5e-7c31-9d1e-3a52f6c0b8aa"
    )]
    Logs(LogsArgs),
    /// Print the effective configuration and where each value comes from
    #[command(
        after_help = "Examples:\n  tandem config\n  tandem config --config prod.toml --json | jq '.\"server.listen\"'"
    )]
    Config(ConfigArgs),
    /// Check the configuration and ask every backend for a sign of life
    #[command(after_help = "Examples:\n  tandem check --config prod.toml && tandem serve --config prod.toml")]
    Check(CheckArgs),
    /// Copy functions, documents and objects to other backends; run again, it goes on
    #[command(
        after_help = "Examples:\n  tandem migrate --from sqlite.toml --to mongo.toml\n  tandem migrate --from old.toml --to new.toml --only objects --bucket photos\n\nOnly the files count: variables of this process would set both sides."
    )]
    Migrate(MigrateArgs),
    /// Write the schema or the reference of the configuration to standard output
    #[command(hide = true)]
    Generate(GenerateArgs),
}

/// Where the configuration comes from.
#[derive(Args, Clone, Debug, Default)]
pub struct SettingsArgs {
    /// Read this file instead of config/default.toml; given again, later files win
    #[arg(long, value_name = "FILE")]
    pub config: Vec<PathBuf>,
    /// Set one value, over files and variables
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    pub set: Vec<String>,
}

/// Which server to speak to.
#[derive(Args, Clone, Debug)]
pub struct RemoteArgs {
    /// The server's address
    #[arg(long, env = "TANDEM_URL", default_value = "http://127.0.0.1:8000")]
    pub url: String,
    /// The server's develop token
    #[arg(long, env = "TANDEM_TOKEN", hide_env_values = true, default_value = "", hide_default_value = true)]
    pub token: String,
}

/// `tandem serve`
#[derive(Args, Debug)]
pub struct ServeArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Listen here instead of server.listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// `tandem dev`
#[derive(Args, Debug)]
pub struct DevArgs {
    /// The folder of functions
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Where the configuration comes from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Listen here instead of server.listen
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
}

/// `tandem deploy`
#[derive(Args, Debug)]
pub struct DeployArgs {
    /// Files, or folders of files: .ts .mts .cts .js .mjs .cjs
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Which server to speak to.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `tandem list`
#[derive(Args, Debug)]
pub struct ListArgs {
    /// Which server to speak to.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `tandem get`
#[derive(Args, Debug)]
pub struct GetArgs {
    /// The function
    pub name: String,
    /// Which server to speak to.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print what the engine loads instead of the source
    #[arg(long, conflicts_with = "json")]
    pub compiled: bool,
    /// Print everything that is known of it as JSON
    #[arg(long)]
    pub json: bool,
}

/// `tandem delete`
#[derive(Args, Debug)]
pub struct DeleteArgs {
    /// The functions
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Which server to speak to.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `tandem invoke`
#[derive(Args, Debug)]
pub struct InvokeArgs {
    /// The function
    pub name: String,
    /// The body: JSON, or @FILE, or - for standard input
    #[arg(long, short, value_name = "JSON|@FILE|-")]
    pub data: Option<String>,
    /// The HTTP method [default: POST with --data, else GET]
    #[arg(long, short = 'X')]
    pub method: Option<String>,
    /// A header; may be given again
    #[arg(long, short = 'H', value_name = "NAME: VALUE", value_parser = header)]
    pub header: Vec<(String, String)>,
    /// A query parameter; may be given again
    #[arg(long, short = 'q', value_name = "NAME=VALUE", value_parser = query)]
    pub query: Vec<(String, String)>,
    /// Which server to speak to.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print status, headers, body and log lines as JSON
    #[arg(long)]
    pub json: bool,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("expected NAME: VALUE")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn query(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// `tandem logs`
#[derive(Args, Debug)]
pub struct LogsArgs {
    /// A request's id, as x-request-id gives it
    #[arg(conflicts_with_all = ["function", "limit", "follow"])]
    pub id: Option<String>,
    /// Only invocations of this function
    #[arg(long, short)]
    pub function: Option<String>,
    /// At most so many invocations
    #[arg(long, short = 'n', default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
    /// Go on with new invocations until interrupted
    #[arg(long, short = 'F')]
    pub follow: bool,
    /// Which server to speak to.
    #[command(flatten)]
    pub remote: RemoteArgs,
    /// Print JSON, one object a line
    #[arg(long)]
    pub json: bool,
}

/// `tandem config`
#[derive(Args, Debug)]
pub struct ConfigArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Print JSON: dotted keys to value and origin
    #[arg(long)]
    pub json: bool,
}

/// `tandem check`
#[derive(Args, Debug)]
pub struct CheckArgs {
    /// Where the configuration comes from.
    #[command(flatten)]
    pub settings: SettingsArgs,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// `tandem migrate`
#[derive(Args, Debug)]
pub struct MigrateArgs {
    /// The configuration of what is copied; given again, later files win
    #[arg(long, required = true, value_name = "CONFIG")]
    pub from: Vec<PathBuf>,
    /// The configuration of where it goes; given again, later files win
    #[arg(long, required = true, value_name = "CONFIG")]
    pub to: Vec<PathBuf>,
    /// Copy these only [default: all]
    #[arg(long, value_delimiter = ',', value_name = "PART")]
    pub only: Vec<Part>,
    /// Copy this bucket too, besides storage.bucket and storage.buckets; may be given again
    #[arg(long, value_name = "NAME")]
    pub bucket: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What can be copied by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Functions
    Functions,
    /// Documents and indexes
    Documents,
    /// Objects of buckets
    Objects,
}

/// `tandem generate`
#[derive(Args, Debug)]
pub struct GenerateArgs {
    /// What to write
    pub what: Generated,
}

/// What is made from the types of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// config/schema.json
    Schema,
    /// docs/configuration.md
    Configuration,
}
