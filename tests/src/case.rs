//! What a case file says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// A case: functions to publish, then steps in order.
///
/// Names of functions are the case's own: `%name%` in a source, a path or a body stands for the
/// name under which the function `name` is published, so that cases share a server.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What it shows, in one sentence.
    pub about: String,
    /// Name to TypeScript source.
    #[serde(default)]
    pub functions: BTreeMap<String, String>,
    /// Name to what a publish may say besides the source.
    #[serde(default)]
    pub publish: BTreeMap<String, PublishOptions>,
    /// Settings as `section.key = "value"`; cases with the same settings share a server.
    #[serde(default)]
    pub config: BTreeMap<String, String>,
    /// The case has a server to itself: it may harm others on the same one.
    #[serde(default)]
    pub alone: bool,
    /// What happens.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// What a publish may say besides the source.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublishOptions {
    /// `typescript` or `javascript`.
    pub language: Option<String>,
    /// HTTP methods.
    pub methods: Option<Vec<String>>,
    /// For people.
    pub description: Option<String>,
}

/// One request, or many alike at the same time, and what must come back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The function to invoke; `main` unless said.
    pub invoke: Option<String>,
    /// Publishes this source under the name in `invoke` first.
    pub publish: Option<String>,
    /// A path to use instead of `/invoke/…`.
    pub path: Option<String>,
    /// Appended to the path.
    pub query: Option<String>,
    /// `POST` unless said.
    pub method: Option<String>,
    /// Sent as they are.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as JSON, with its content type.
    pub json: Option<serde_json::Value>,
    /// The body as it is.
    pub body: Option<String>,
    /// The body in base64.
    pub body_base64: Option<String>,
    /// The body is this text so many times.
    pub body_repeat: Option<(String, usize)>,
    /// `false` sends no token, a text sends that.
    pub token: Option<TokenSent>,
    /// So many of these at once; `%i%` stands for each one's number, from 0.
    pub times: Option<usize>,
    /// Milliseconds to wait before.
    pub wait: Option<u64>,
    /// Tries again until it is met, for so many milliseconds.
    pub within: Option<u64>,
    /// What must come back.
    #[serde(default)]
    pub expect: Expected,
}

/// Which token a step sends.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum TokenSent {
    /// The right one, or none.
    Whether(bool),
    /// This.
    Text(String),
}

/// What must come back. What is left out may be anything, except where noted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Any answer will do: what counts is what comes after.
    #[serde(default)]
    pub any: bool,
    /// 200 unless said, or the status of `code`.
    pub status: Option<u16>,
    /// The code in an error's body.
    pub code: Option<String>,
    /// The sentence in an error's body.
    pub error: Option<String>,
    /// A regular expression that the sentence matches.
    pub error_matches: Option<String>,
    /// The body as JSON, equal in every respect but the order of keys.
    pub json: Option<serde_json::Value>,
    /// Parts of the body as JSON: a JSON pointer to its value.
    #[serde(default)]
    pub at: BTreeMap<String, serde_json::Value>,
    /// The body as text.
    pub text: Option<String>,
    /// A regular expression that the body matches.
    pub text_matches: Option<String>,
    /// The body in base64.
    pub body_base64: Option<String>,
    /// How long the body is.
    pub length: Option<usize>,
    /// Header to value; `"~…"` is a regular expression, `""` means absent.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The decoded log lines, all of them; left out with an error code: anything.
    pub logs: Option<Vec<String>>,
    /// A regular expression for each log line.
    pub logs_match: Option<Vec<String>>,
}

/// A case with its name: the path of its file without extension.
#[derive(Clone, Debug)]
pub struct NamedCase {
    /// For example `console/interleaved`.
    pub name: String,
    /// What its file says.
    pub case: Case,
}

/// Reads every case under `folder`, in order of name.
///
/// # Errors
/// The path and what is wrong with the file.
pub fn read_all(folder: &Path) -> Result<Vec<NamedCase>, String> {
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
            let case: Case = toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
            if case.steps.is_empty() {
                return Err(format!("{}: a case needs a [[step]]", path.display()));
            }
            let name = path.strip_prefix(folder).unwrap_or(&path).with_extension("");
            Ok(NamedCase { name: name.display().to_string(), case })
        })
        .collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| error.to_string())?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}
