use std::io::IsTerminal as _;

use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::args::DeployArgs;
use super::code_frame::{Place, describe};
use super::failure::{Exit, Failure};
use super::function_files::{self, FunctionFile};
use super::output::{self, BAD, DIM, GOOD};
use super::remote::{self, Remote, function_path};

/// What became of one file.
#[derive(Debug, Serialize)]
struct Report {
    name: String,
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame: Option<String>,
}

/// `tandem deploy`
pub(super) async fn run(args: &DeployArgs) -> Result<(), Failure> {
    let found =
        function_files::find(&args.paths).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    if found.files.is_empty() && found.refused.is_empty() {
        return Err(Failure::new(
            Exit::Usage,
            "there is no .ts, .mts, .cts, .js, .mjs or .cjs file to publish",
        ));
    }
    let remote = Remote::new(&args.remote)?;
    let mut reports: Vec<Report> = Vec::new();
    for (path, reason) in &found.refused {
        reports.push(Report::refused(path.display().to_string(), reason.clone()));
    }
    let total = found.files.len();
    for (index, file) in found.files.iter().enumerate() {
        progress(args.json, index, total, file.name.as_str());
        reports.push(publish(&remote, file).await?);
    }
    if args.json {
        output::json(&reports);
    } else {
        reports.iter().for_each(Report::print);
        let failed = reports.iter().filter(|report| !report.ok).count();
        let published = reports.len() - failed;
        let failed = if failed == 0 { String::new() } else { format!(", {BAD}{failed} failed{BAD:#}") };
        output::note(format_args!("{published} published{failed}"));
    }
    if reports.iter().all(|report| report.ok) { Ok(()) } else { Err(Failure::said(Exit::Failed)) }
}

async fn publish(remote: &Remote, file: &FunctionFile) -> Result<Report, Failure> {
    let shown = file.path.display().to_string();
    let source = match std::fs::read_to_string(&file.path) {
        Ok(source) => source,
        Err(error) => {
            let refused = Report::refused(shown, format!("the file cannot be read: {error}"));
            return Ok(Report { name: file.name.as_str().to_owned(), ..refused });
        }
    };
    let path = function_path("functions", file.name.as_str())?;
    let body = json!({ "source": source, "language": file.language });
    let response = remote.send(remote.request(Method::PUT, &path).json(&body)).await?;
    let status = response.status();
    if status.is_success() {
        let function: Value = response.json().await.map_err(|error| remote.strange(&error))?;
        return Ok(Report {
            name: file.name.as_str().to_owned(),
            ok: true,
            error: None,
            revision: function["revision"].as_u64(),
            ..Report::refused(shown, String::new())
        });
    }
    let refusal = remote::refusal(response).await;
    let failure = remote::failure(status, &refusal);
    if failure.exit == Exit::Token {
        return Err(failure);
    }
    Ok(Report {
        name: file.name.as_str().to_owned(),
        line: refusal.line,
        column: refusal.column,
        frame: refusal.frame,
        ..Report::refused(shown, refusal.error)
    })
}

impl Report {
    const fn refused(file: String, error: String) -> Self {
        Self {
            name: String::new(),
            file,
            ok: false,
            revision: None,
            error: Some(error),
            line: None,
            column: None,
            frame: None,
        }
    }

    fn print(&self) {
        match (&self.error, self.line) {
            (None, _) => {
                let revision =
                    self.revision.map(|revision| format!("  revision {revision}")).unwrap_or_default();
                output::note(format_args!("{GOOD}published{GOOD:#} {}{DIM}{revision}{DIM:#}", self.name));
            }
            (Some(error), Some(line)) => {
                let column = self.column.unwrap_or(1);
                let frame = self.frame.as_deref().unwrap_or_default();
                output::note(describe(&Place { file: &self.file, line, column, frame }, error));
            }
            (Some(error), None) => output::note(format_args!("{BAD}{}{BAD:#}: {error}", self.file)),
        }
    }
}

/// Shown on a terminal only, in one line that is overwritten: each file takes a round trip.
fn progress(quiet: bool, index: usize, total: usize, name: &str) {
    use std::io::Write as _;
    let mut err = std::io::stderr();
    if quiet || !err.is_terminal() || total < 2 {
        return;
    }
    let end = if index + 1 == total { "\r\x1b[K" } else { "" };
    let _ = write!(err, "\r\x1b[K[{}/{total}] {name}{end}", index + 1).and_then(|()| err.flush());
}
