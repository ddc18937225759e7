//! What a redirect does to a request: <https://fetch.spec.whatwg.org/#http-redirect-fetch>.

use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use tandem_contract::{Error, ErrorKind, Result};
use url::Url;

/// Redirects of one request that are followed.
pub(super) const MOST: usize = 10;

/// What is done with a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum RedirectMode {
    /// Go where it leads.
    Follow,
    /// Fail.
    Error,
    /// Give it to the function.
    Manual,
}

/// Where the answer to a request for `url` leads; `None` for every other answer.
///
/// # Errors
/// When it leads to no address that can be fetched.
pub(super) fn target(url: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>> {
    if !matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = headers.get(header::LOCATION) else { return Ok(None) };
    let invalid = || failed(format!("fetch: {} redirects to what is not an address", host(url)));
    // Servers send addresses as UTF-8, whatever the header's rules say.
    let location = std::str::from_utf8(location.as_bytes()).map_err(|_| invalid())?;
    let mut next = url.join(location).map_err(|_| invalid())?;
    if next.fragment().is_none() {
        next.set_fragment(url.fragment());
    }
    if !next.username().is_empty() || next.password().is_some() {
        return Err(failed(format!("fetch: {} redirects to an address with credentials", host(url))));
    }
    Ok(Some(next))
}

/// Whether the next request goes without the body, as a GET.
pub(super) fn becomes_get(method: &Method, status: StatusCode) -> bool {
    match status.as_u16() {
        301 | 302 => method == Method::POST,
        303 => method != Method::GET && method != Method::HEAD,
        _ => false,
    }
}

/// Takes out what describes a body.
pub(super) fn strip_body_headers(headers: &mut HeaderMap) {
    for name in
        [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION, header::CONTENT_TYPE]
    {
        headers.remove(name);
    }
}

/// Takes out what was meant for the first origin only.
pub(super) fn strip_credentials(headers: &mut HeaderMap) {
    for name in [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
}

pub(super) fn host(url: &Url) -> &str {
    url.host_str().unwrap_or_default()
}

/// A request that failed on the network: the function's to handle.
pub(super) fn failed(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::FunctionError, message)
}
