//! Requests and bodies in the form that goes over the network.

use bytes::Bytes;
use futures_util::StreamExt;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::Frame;
use tandem_contract::{Error, ErrorKind, Result};
use url::Url;

use super::redirect::RedirectMode;
use crate::ops::streams::ByteStream;

/// What a function asks for.
pub(crate) struct FetchRequest {
    pub(crate) method: String,
    pub(crate) url: String,
    /// Values as Latin-1 text.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) redirect: RedirectMode,
    pub(crate) body: FetchBody,
}

/// What is sent.
pub(crate) enum FetchBody {
    Empty,
    Bytes(Bytes),
    /// Can be sent once.
    Stream(ByteStream),
}

pub(super) type WireBody = UnsyncBoxBody<Bytes, Error>;

/// Headers that belong to a connection, not to a request, and those that the client writes itself:
/// <https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1>.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// # Errors
/// `InvalidArgument` when a name or a value cannot be sent.
pub(super) fn request_headers(pairs: &[(String, String)]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::with_capacity(pairs.len() + 2);
    for (name, value) in pairs {
        let invalid =
            || Error::new(ErrorKind::InvalidArgument, format!("fetch: the header {name:?} cannot be sent"));
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        let bytes: Option<Vec<u8>> =
            value.chars().map(|character| u8::try_from(u32::from(character)).ok()).collect();
        let value = HeaderValue::from_bytes(&bytes.ok_or_else(invalid)?).map_err(|_| invalid())?;
        if !HOP_BY_HOP.contains(&parsed) {
            headers.append(parsed, value);
        }
    }
    headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    headers
        .entry(header::USER_AGENT)
        .or_insert(HeaderValue::from_static(concat!("Tandem/", env!("CARGO_PKG_VERSION"))));
    Ok(headers)
}

/// The answer's headers without those of the connection; values as Latin-1 text.
pub(super) fn response_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    let ends_here = |name: &HeaderName| {
        // The length is part of the answer: only what frames it on the wire is left out.
        *name != header::CONTENT_LENGTH && HOP_BY_HOP.contains(name)
    };
    let latin1 = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    headers
        .iter()
        .filter(|(name, _)| !ends_here(name))
        .map(|(name, value)| (name.as_str().to_owned(), latin1(value)))
        .collect()
}

/// # Errors
/// `InvalidArgument` when the address is too long to be sent.
pub(super) fn wire_request(
    method: &Method,
    url: &Url,
    headers: &HeaderMap,
    body: WireBody,
) -> Result<Request<WireBody>> {
    let mut address = url.clone();
    address.set_fragment(None);
    let mut request = Request::new(body);
    *request.method_mut() = method.clone();
    *request.uri_mut() = address
        .as_str()
        .parse()
        .map_err(|_| Error::new(ErrorKind::InvalidArgument, "fetch: the address cannot be sent"))?;
    *request.headers_mut() = headers.clone();
    Ok(request)
}

pub(super) fn empty_body() -> WireBody {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn whole_body(bytes: Bytes) -> WireBody {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

pub(super) fn stream_body(stream: ByteStream) -> WireBody {
    StreamBody::new(stream.map(|chunk| chunk.map(Frame::data))).boxed_unsync()
}
