//! `fetch`.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::future::{AbortHandle, Abortable};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, Invocation, Result};

use super::streams::{hold_incoming, take_outgoing};
use super::{Op, async_op};
use crate::cloud::Cloud;
use crate::fetch::{FetchBody, FetchRequest, RedirectMode, Sent};
use crate::resources::held;

pub(super) const OPS: &[Op] = &[async_op!("fetch.send", send), Op::sync("fetch.abort", abort)];

/// Requests under way, by the number that the script gave them.
#[derive(Default)]
pub(crate) struct Held {
    calls: Mutex<HashMap<u64, AbortHandle>>,
}

#[derive(Deserialize)]
struct Call {
    call: u64,
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    redirect: RedirectMode,
    /// The handle of the stream that is the body; otherwise it comes as the call's bytes.
    stream: Option<u64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    status: u16,
    status_text: &'static str,
    url: String,
    redirected: bool,
    headers: Vec<(String, String)>,
    /// The handle of the body.
    stream: Option<u64>,
}

async fn send(cloud: Arc<Cloud>, invocation: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let call: Call = serde_json::from_str(&args.text).map_err(Error::internal)?;
    let body = match (call.stream, args.bytes) {
        (Some(handle), _) => FetchBody::Stream(take_outgoing(&invocation, handle)?),
        (None, Some(bytes)) => FetchBody::Bytes(bytes),
        (None, None) => FetchBody::Empty,
    };
    let request = FetchRequest {
        method: call.method,
        url: call.url,
        headers: call.headers,
        redirect: call.redirect,
        body,
    };
    let calls = &held(&invocation)?.fetch.calls;
    let (handle, registration) = AbortHandle::new_pair();
    calls.lock().insert(call.call, handle);
    let sending = tokio::time::timeout(cloud.time_left(&invocation), cloud.fetch.send(request));
    let result = Abortable::new(sending, registration).await;
    calls.lock().remove(&call.call);
    match result {
        Err(_) => Err(Error::new(ErrorKind::Conflict, "fetch: the request was aborted")),
        Ok(Err(_)) => Err(Error::new(ErrorKind::FunctionTimeout, "fetch: the invocation's time ran out")),
        Ok(Ok(sent)) => head(&cloud, &invocation, sent?),
    }
}

fn head(cloud: &Cloud, invocation: &Invocation, sent: Sent) -> Result<HostValue> {
    let stream = sent.body.map(|body| hold_incoming(cloud, invocation, body)).transpose()?;
    let head = Head {
        status: sent.status,
        status_text: sent.reason,
        url: sent.url,
        redirected: sent.redirected,
        headers: sent.headers,
        stream,
    };
    Ok(HostValue::Json(serde_json::to_vec(&head).map_err(Error::internal)?.into()))
}

/// Breaks off a request; no error when it is over.
fn abort(_: &Cloud, invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let call: u64 = args.text.parse().map_err(|_| Error::internal("fetch.abort: bad number"))?;
    if let Some(handle) = held(invocation)?.fetch.calls.lock().remove(&call) {
        handle.abort();
    }
    Ok(HostValue::Undefined)
}
