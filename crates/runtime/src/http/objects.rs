//! `/objects/{bucket}/{key}`: what signed URLs lead to, for blob stores that cannot sign their own.

use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Body;
use axum::extract::State;
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE, LAST_MODIFIED,
    RANGE, X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use percent_encoding::percent_decode_str;
use tandem_contract::{
    BlobBody, BlobMeta, BlobRange, BlobRead, BlobStream, Bucket, Error, ErrorKind, PresignMethod, PutOptions,
    Result as PortResult,
};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use super::body::Pace;
use super::error::Refusal;
use super::{Server, body};

/// The largest object that one `PUT` may write: what S3 takes in one request.
const MAX_OBJECT: u64 = 5 * 1024 * 1024 * 1024;

const ALLOW: HeaderValue = HeaderValue::from_static("GET, HEAD, PUT, OPTIONS");

/// `GET`, `HEAD`, `PUT` and `OPTIONS`. The signature in the URL takes the token's place.
pub(super) async fn one(State(server): State<Arc<Server>>, request: Request<Body>) -> Response<Body> {
    let (parts, mut body) = request.into_parts();
    let request_id = server.request_ids.of(&parts.headers);
    let answer = match parts.method {
        Method::OPTIONS => Ok(options()),
        Method::GET | Method::HEAD => read(&server, &parts).await,
        Method::PUT => write(&server, &parts, std::mem::take(&mut body)).await,
        _ => Err(Refusal::method_not_allowed(&parts.method, ALLOW)),
    };
    answer.unwrap_or_else(|refusal| {
        body::discard(body, &parts.headers);
        refusal.into_response(&request_id)
    })
}

fn options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response.headers_mut().insert(http::header::ALLOW, ALLOW);
    response
}

/// The object that a URL names, once its signature was found right.
struct Target {
    bucket: Bucket,
    key: String,
}

fn verify(server: &Server, parts: &Parts, method: PresignMethod) -> PortResult<Target> {
    let Some(signed_urls) = &server.signed_urls else {
        return Err(Error::new(
            ErrorKind::NotFound,
            "This server signs no URLs: the blob store signs its own",
        ));
    };
    let forbidden = || Error::new(ErrorKind::Forbidden, "The signed URL is not valid");
    let path = parts.uri.path().strip_prefix("/objects/").ok_or_else(forbidden)?;
    let (bucket, key) = path.split_once('/').ok_or_else(forbidden)?;
    let decode = |part| percent_decode_str(part).decode_utf8().map_err(|_| forbidden());
    let bucket = Bucket::new(decode(bucket)?).map_err(|_| forbidden())?;
    let key = decode(key)?;
    let content_type = text(&parts.headers, &CONTENT_TYPE);
    let query = parts.uri.query().unwrap_or_default();
    let key = signed_urls.verify(method, &bucket, &key, query, content_type)?;
    Ok(Target { bucket, key })
}

async fn write(server: &Server, parts: &Parts, body: Body) -> Result<Response<Body>, Refusal> {
    let target = match verify(server, parts, PresignMethod::Put) {
        Ok(target) => target,
        Err(error) => {
            body::discard(body, &parts.headers);
            return Err(error.into());
        }
    };
    let length = http_body::Body::size_hint(&body).exact();
    if length.is_some_and(|length| length > MAX_OBJECT) {
        return Err(too_large().into());
    }
    let options = PutOptions {
        content_type: text(&parts.headers, &CONTENT_TYPE).map(str::to_owned),
        ..PutOptions::default()
    };
    let body = BlobBody::Stream { stream: pieces(body, server.intake.pace()), length };
    let meta = server.blobs.put(&target.bucket, &target.key, body, options).await?;
    let mut response = Response::new(Body::empty());
    set(response.headers_mut(), ETAG, &format!("\"{}\"", meta.etag));
    Ok(response)
}

fn pieces(body: Body, pace: Pace) -> BlobStream {
    Box::pin(stream::try_unfold((body, pace, 0_u64), async |(mut body, mut pace, read)| {
        let Some(data) = pace.next(&mut body).await? else { return Ok(None) };
        let read = read + data.len() as u64;
        if read > MAX_OBJECT { Err(too_large()) } else { Ok(Some((data, (body, pace, read)))) }
    }))
}

fn too_large() -> Error {
    Error::new(ErrorKind::BodyTooLarge, format!("The object exceeds {MAX_OBJECT} bytes"))
}

async fn read(server: &Server, parts: &Parts) -> Result<Response<Body>, Refusal> {
    let Target { bucket, key } = verify(server, parts, PresignMethod::Get)?;
    let missing =
        || Error::new(ErrorKind::NotFound, format!("There is no object {key:?} in bucket {bucket}"));
    let mut range = text(&parts.headers, &RANGE).and_then(parse_range);
    let conditional = parts.headers.contains_key(IF_NONE_MATCH) || parts.headers.contains_key(IF_RANGE);
    if parts.method == Method::HEAD || conditional || range.is_some() {
        let meta = server.blobs.head(&bucket, &key).await?.ok_or_else(missing)?;
        if names_tag(&parts.headers, &IF_NONE_MATCH, &meta) {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            describe(response.headers_mut(), &meta);
            return Ok(response);
        }
        // A range of another version would be stitched to the one the client has.
        if parts.headers.contains_key(IF_RANGE) && !names_tag(&parts.headers, &IF_RANGE, &meta) {
            range = None;
        }
        if parts.method == Method::HEAD {
            let mut response = Response::new(Body::empty());
            describe(response.headers_mut(), &meta);
            response.headers_mut().insert(CONTENT_LENGTH, meta.size.into());
            return Ok(response);
        }
        if range.is_some_and(|range| !is_satisfiable(range, meta.size)) {
            return Ok(unsatisfiable(meta.size));
        }
    }
    let blob = server.blobs.get(&bucket, &key, range).await?.ok_or_else(missing)?;
    Ok(send(blob, range.is_some()))
}

fn send(blob: BlobRead, partial: bool) -> Response<Body> {
    let BlobRead { meta, range, stream } = blob;
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    describe(headers, &meta);
    headers.insert(CONTENT_LENGTH, range.end.saturating_sub(range.start).into());
    if partial {
        let last = range.end.saturating_sub(1);
        set(headers, CONTENT_RANGE, &format!("bytes {}-{last}/{}", range.start, meta.size));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

fn describe(headers: &mut HeaderMap, meta: &BlobMeta) {
    set(headers, CONTENT_TYPE, meta.content_type.as_deref().unwrap_or("application/octet-stream"));
    set(headers, ETAG, &format!("\"{}\"", meta.etag));
    set(headers, LAST_MODIFIED, &http_date(meta.last_modified));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// RFC 9110, 15.5.17.
fn unsatisfiable(size: u64) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
    set(response.headers_mut(), CONTENT_RANGE, &format!("bytes */{size}"));
    response
}

const fn is_satisfiable(range: BlobRange, size: u64) -> bool {
    match range {
        BlobRange::Bounded { start, .. } | BlobRange::From(start) => start < size,
        BlobRange::Suffix(count) => count > 0 && size > 0,
    }
}

/// One range of bytes. Anything else (several ranges, another unit, nonsense) is ignored and the
/// whole object sent, as RFC 9110, 14.2 allows.
fn parse_range(header: &str) -> Option<BlobRange> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
    match (first, last) {
        ("", count) => count.parse().ok().map(BlobRange::Suffix),
        (start, "") => start.parse().ok().map(BlobRange::From),
        (start, last) => {
            let (start, last): (u64, u64) = (start.parse().ok()?, last.parse().ok()?);
            (start <= last).then_some(BlobRange::Bounded { start, end: last.saturating_add(1) })
        }
    }
}

fn names_tag(headers: &HeaderMap, name: &HeaderName, meta: &BlobMeta) -> bool {
    let Some(value) = text(headers, name) else { return false };
    value
        .split(',')
        .map(str::trim)
        .any(|tag| tag == "*" || tag.trim_start_matches("W/").trim_matches('"') == meta.etag)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// RFC 9110, 5.6.7: `Sun, 06 Nov 1994 08:49:37 GMT`.
fn http_date(time: SystemTime) -> String {
    const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    OffsetDateTime::from(time).format(FORMAT).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(parse_range("bytes=0-9"), Some(BlobRange::Bounded { start: 0, end: 10 }));
        assert_eq!(parse_range("bytes=5-"), Some(BlobRange::From(5)));
        assert_eq!(parse_range("bytes=-5"), Some(BlobRange::Suffix(5)));
        for ignored in ["bytes=9-1", "bytes=0-1,3-4", "lines=1-2", "bytes=-", "bytes=a-b", ""] {
            assert_eq!(parse_range(ignored), None, "{ignored}");
        }
        assert!(!is_satisfiable(BlobRange::From(5), 5) && is_satisfiable(BlobRange::From(4), 5));
    }

    #[test]
    fn dates() {
        let date = http_date(UNIX_EPOCH + Duration::from_secs(784_111_777));
        assert_eq!(date, "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
