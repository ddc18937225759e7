use std::sync::Arc;

use bson::Bson;
use tandem_contract::{DocumentStore, HostArgs, HostValue, Invocation, Result};

use super::fields::Fields;
use crate::cloud::Cloud;
use crate::values;

/// `{parts, parameters}`: the statement in parts, with one parameter after each but the last.
/// Gives an array of rows.
pub(super) async fn sql(
    cloud: Arc<Cloud>,
    _invocation: Arc<Invocation>,
    args: HostArgs,
) -> Result<HostValue> {
    let mut request = Fields::parse("sql", &args)?;
    let parts = array(&mut request, "parts")?;
    let parameters = array(&mut request, "parameters")?;
    let text = statement(&request, &parts, parameters.len(), &*cloud.documents)?;
    let rows = cloud.documents.sql(&text, parameters).await?;
    values::reply(&Bson::Array(rows.into_iter().map(Bson::Document).collect()))
}

fn array(request: &mut Fields, name: &str) -> Result<Vec<Bson>> {
    match request.take(name) {
        Some(Bson::Array(items)) => Ok(items),
        _ => Err(request.invalid("it is a template tag: cloud.sql`SELECT … WHERE a = ${value}`")),
    }
}

fn statement(
    request: &Fields,
    parts: &[Bson],
    parameters: usize,
    store: &dyn DocumentStore,
) -> Result<String> {
    let mut text = String::new();
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            text.push_str(&store.sql_parameter(index));
        }
        match part.as_str() {
            Some(part) => text.push_str(part),
            None => return Err(request.wrong("parts", "strings", part)),
        }
    }
    if parts.len() == parameters + 1 {
        Ok(text)
    } else {
        Err(request.invalid("there must be one value between two parts of the text"))
    }
}
