use std::time::Duration;

use reqwest::Method;
use serde::{Deserialize, Serialize};

use super::args::LogsArgs;
use super::failure::Failure;
use super::invoke::colored;
use super::output::{self, BAD, DIM, GOOD, STRONG};
use super::remote::{Remote, encoded};

/// How often `--follow` asks for what is new.
const POLL_EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    request_id: String,
    function: String,
    depth: u32,
    code: String,
    status: Option<u16>,
    time: String,
    elapsed: f64,
    lines: Vec<String>,
    dropped: u64,
}

#[derive(Deserialize)]
struct Page {
    invocations: Vec<Invocation>,
    cursor: String,
}

#[derive(Deserialize)]
struct Request {
    invocations: Vec<Invocation>,
}

/// `tandem logs`
pub(super) async fn run(args: &LogsArgs) -> Result<(), Failure> {
    let remote = Remote::new(&args.remote)?;
    if let Some(id) = &args.id {
        let request = remote.request(Method::GET, &format!("/logs/{}", encoded(id).replace('/', "%2F")));
        let request: Request = remote.fetch_json(request).await?;
        request.invocations.iter().for_each(|invocation| show(invocation, args.json));
        return Ok(());
    }
    let mut page = fetch(&remote, args, None).await?;
    loop {
        // The server gives the newest first; a log is read downwards.
        page.invocations.iter().rev().for_each(|invocation| show(invocation, args.json));
        if !args.follow {
            return Ok(());
        }
        if page.invocations.len() < usize::from(args.limit) {
            tokio::time::sleep(POLL_EVERY).await;
        }
        page = fetch(&remote, args, Some(&page.cursor)).await?;
    }
}

async fn fetch(remote: &Remote, args: &LogsArgs, after: Option<&str>) -> Result<Page, Failure> {
    let limit = args.limit.to_string();
    let mut query = vec![("limit", &*limit)];
    if let Some(function) = &args.function {
        query.push(("function", function));
    }
    if let Some(after) = after {
        query.push(("after", after));
    }
    remote.fetch_json(remote.query(Method::GET, "/logs", &query)).await
}

fn show(invocation: &Invocation, json: bool) {
    if json {
        output::json_line(invocation);
        return;
    }
    let Invocation { request_id, function, depth, code, time, elapsed, lines, dropped, .. } = invocation;
    let style = if code == "OK" { GOOD } else { BAD };
    let indent = "  ".repeat(*depth as usize);
    output::line(format_args!(
        "{indent}{DIM}{time}{DIM:#} {STRONG}{function}{STRONG:#} {style}{code}{style:#} {elapsed:.1} ms {DIM}{request_id}{DIM:#}"
    ));
    if *dropped > 0 {
        output::line(format_args!("{indent}  {DIM}… {dropped} earlier lines were dropped{DIM:#}"));
    }
    for line in lines.iter().flat_map(|line| line.lines()) {
        output::line(format_args!("{indent}  {}", colored(line)));
    }
}
