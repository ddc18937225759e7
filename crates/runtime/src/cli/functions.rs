use reqwest::Method;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::args::{DeleteArgs, GetArgs, ListArgs};
use super::failure::{Exit, Failure};
use super::output;
use super::remote::{Remote, function_path};

/// A function without its texts. The answer's other fields are kept for `--json`.
#[derive(Debug, Serialize, Deserialize)]
struct Summary {
    name: String,
    language: String,
    methods: Vec<String>,
    revision: u64,
    updated_at: String,
    description: String,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
struct Page {
    functions: Vec<Summary>,
    next: Option<String>,
}

/// `tandem list`
pub(super) async fn list(args: &ListArgs) -> Result<(), Failure> {
    let remote = Remote::new(&args.remote)?;
    let mut functions = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("limit", "1000")];
        if let Some(after) = &after {
            query.push(("after", after));
        }
        let page: Page = remote.fetch_json(remote.query(Method::GET, "/functions", &query)).await?;
        functions.extend(page.functions);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    if args.json {
        output::json(&functions);
        return Ok(());
    }
    if functions.is_empty() {
        output::note("no functions yet: publish one with `tandem deploy FILE`");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = functions
        .into_iter()
        .map(|function| {
            let methods =
                if function.methods.is_empty() { "all".to_owned() } else { function.methods.join(" ") };
            let revision = function.revision.to_string();
            vec![
                function.name,
                function.language,
                methods,
                revision,
                function.updated_at,
                function.description,
            ]
        })
        .collect();
    output::line(output::table(
        &["name", "language", "methods", "revision", "updated", "description"],
        &rows,
    ));
    Ok(())
}

/// `tandem get`
pub(super) async fn get(args: &GetArgs) -> Result<(), Failure> {
    let remote = Remote::new(&args.remote)?;
    let path = function_path("functions", &args.name)?;
    let function: Value = remote.fetch_json(remote.request(Method::GET, &path)).await?;
    if args.json {
        output::json(&function);
        return Ok(());
    }
    let field = if args.compiled { "compiled" } else { "source" };
    match function[field].as_str() {
        Some(text) if !text.is_empty() => {
            output::raw(text.as_bytes());
            if !text.ends_with('\n') {
                output::raw(b"\n");
            }
            Ok(())
        }
        _ => Err(Failure::new(Exit::Failed, format!("{} is stored without its {field} text", args.name))),
    }
}

/// `tandem delete`: goes on after a failure, and ends with the first one's exit code.
pub(super) async fn delete(args: &DeleteArgs) -> Result<(), Failure> {
    let remote = Remote::new(&args.remote)?;
    let (mut deleted, mut first_failure) = (Vec::new(), None);
    for name in &args.names {
        let path = function_path("functions", name)?;
        match remote.fetch(remote.request(Method::DELETE, &path)).await {
            Ok(_) => {
                if !args.json {
                    output::note(format_args!("deleted {name}"));
                }
                deleted.push(name);
            }
            Err(failure) if matches!(failure.exit, Exit::Unreachable | Exit::Token) => return Err(failure),
            Err(failure) => {
                failure.print();
                first_failure.get_or_insert(failure.exit);
            }
        }
    }
    if args.json {
        output::json(&serde_json::json!({ "deleted": deleted }));
    }
    first_failure.map_or(Ok(()), |exit| Err(Failure::said(exit)))
}
