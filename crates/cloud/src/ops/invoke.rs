//! `cloud.invoke`.
//!
//! A value comes back as the operation's own result. A `Response` does not fit in one result: the
//! call answers `undefined`, which no function's value is, and the script fetches head and body by
//! the number that it had given the call.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use parking_lot::Mutex;
use serde::Serialize;
use tandem_contract::{BodyStream, Error, ErrorKind, HostArgs, HostValue, Invocation, Reply, Result};

use super::{Op, async_op};
use crate::cloud::Cloud;
use crate::resources::held;

pub(super) const CALL: &str = "invoke.call";

pub(super) const OPS: &[Op] = &[
    async_op!(CALL, call),
    Op::sync("invoke.responseHead", response_head),
    Op::sync("invoke.responseBody", response_body),
];

/// A streamed `Response` is collected up to this many bytes, a quarter of the default memory of an isolate.
const LARGEST_BODY: usize = 32 << 20;

/// Between the parts of a call's text. Neither a number nor JSON contains it.
const SEPARATOR: char = '\0';

/// Responses that came back and were not fetched yet, by the call's number.
#[derive(Default)]
pub(crate) struct Held {
    responses: Mutex<HashMap<u64, Collected>>,
}

struct Collected {
    status: u16,
    headers: Vec<(String, String)>,
    body: Bytes,
}

/// The text is `number NUL data NUL name`, the data as JSON; it may come as bytes instead, and is
/// empty if there is none.
async fn call(cloud: Arc<Cloud>, invocation: Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let (number, name, data) = parse_call(args)?;
    let outcome = cloud.invoker()?.invoke(&invocation, name, data).await;
    let response = match outcome.result? {
        Reply::Json(json) => return Ok(HostValue::Json(json)),
        Reply::Bytes(bytes) => return Ok(HostValue::Bytes(bytes)),
        Reply::Response { status, headers, body } => Collected { status, headers, body },
        Reply::Stream { status, headers, body } => Collected { status, headers, body: collect(body).await? },
    };
    held(&invocation)?.invoke.responses.lock().insert(number, response);
    Ok(HostValue::Undefined)
}

fn parse_call(HostArgs { text, bytes }: HostArgs) -> Result<(u64, String, Option<Bytes>)> {
    let malformed = || Error::internal("invoke.call: malformed text");
    let (number, rest) = text.split_once(SEPARATOR).ok_or_else(malformed)?;
    let (data, name) = rest.split_once(SEPARATOR).ok_or_else(malformed)?;
    let data = number.len() + 1..number.len() + 1 + data.len();
    let number = number.parse().map_err(|_| malformed())?;
    let name = name.to_owned();
    let data = bytes.or_else(|| (!data.is_empty()).then(|| Bytes::from(text).slice(data)));
    Ok((number, name, data))
}

async fn collect(mut body: BodyStream) -> Result<Bytes> {
    let mut collected = BytesMut::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk?;
        if collected.len() + chunk.len() > LARGEST_BODY {
            return Err(Error::new(
                ErrorKind::BodyTooLarge,
                format!("cloud.invoke: the function streamed a Response of more than {LARGEST_BODY} bytes"),
            ));
        }
        collected.extend_from_slice(&chunk);
    }
    Ok(collected.freeze())
}

#[derive(Serialize)]
struct Head<'a> {
    status: u16,
    headers: &'a [(String, String)],
}

fn response_head(_cloud: &Cloud, invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let number = parse_number(&args.text)?;
    let responses = held(invocation)?.invoke.responses.lock();
    let response = responses.get(&number).ok_or_else(unknown_response)?;
    let head = Head { status: response.status, headers: &response.headers };
    Ok(HostValue::Json(serde_json::to_vec(&head).map_err(Error::internal)?.into()))
}

/// Gives the body and forgets the response.
fn response_body(_cloud: &Cloud, invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let number = parse_number(&args.text)?;
    let response = held(invocation)?.invoke.responses.lock().remove(&number);
    Ok(HostValue::Bytes(response.ok_or_else(unknown_response)?.body))
}

fn parse_number(text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::internal("invoke: malformed number"))
}

fn unknown_response() -> Error {
    Error::internal("invoke: no response has this number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str, bytes: Option<&'static [u8]>) -> Option<(u64, String, Option<Bytes>)> {
        parse_call(HostArgs { text: text.to_owned(), bytes: bytes.map(Bytes::from_static) }).ok()
    }

    #[test]
    fn a_call_is_number_data_and_name() {
        let (number, name, data) = parsed("7\0{\"x\":\"\\u0000\"}\0a/b", None).unwrap();
        assert_eq!((number, name.as_str()), (7, "a/b"));
        assert_eq!(data.as_deref(), Some(br#"{"x":"\u0000"}"#.as_slice()));
    }

    #[test]
    fn data_may_come_as_bytes() {
        let (_, name, data) = parsed("1\0\0a\0b", Some(b"1")).unwrap();
        assert_eq!((name.as_str(), data.as_deref()), ("a\0b", Some(b"1".as_slice())));
    }

    #[test]
    fn a_call_without_data_has_no_body() {
        let (_, name, data) = parsed("1\0\0hello", None).unwrap();
        assert_eq!((name.as_str(), data), ("hello", None));
    }

    #[test]
    fn malformed_calls_are_errors() {
        for text in ["", "x", "1\0y", "x\0\0y", "-1\0\0y"] {
            assert!(parsed(text, None).is_none(), "{text:?}");
        }
    }
}
