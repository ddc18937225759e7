use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, EXPECT};
use http_body::Body;
use http_body_util::BodyExt as _;
use tandem_contract::{Error, ErrorKind, Payload, Result};
use tokio::time::Instant;

use super::{json, multipart};

/// Bytes that a body must bring each second on average, once it has had the time that one may
/// stand still: a client that sends a byte now and then is not making progress.
const SLOWEST: u64 = 1024;

/// Fields of a form. Ten megabytes of `&` would otherwise become gigabytes of empty pairs.
const MAX_FIELDS: usize = 10_000;

/// How much of a refused body is read and thrown away, so that the client gets to the answer
/// instead of a reset connection.
const DISCARD_BYTES: usize = 256 * 1024 * 1024;
const DISCARD_TIME: Duration = Duration::from_secs(10);

/// Reads bodies, within what all of them may take.
pub(super) struct Intake {
    limit: usize,
    memory: u64,
    stalled_after: Duration,
    held: AtomicU64,
}

/// The share of a body in what all may take; given back when dropped.
pub(super) struct Held {
    intake: Arc<Intake>,
    bytes: u64,
}

impl Intake {
    /// Bodies of at most `limit` bytes, all together at most `memory`, none standing still for
    /// longer than `stalled_after`.
    pub(super) fn new(limit: usize, memory: usize, stalled_after: Duration) -> Arc<Self> {
        Arc::new(Self { limit, memory: memory as u64, stalled_after, held: AtomicU64::new(0) })
    }

    /// Bytes held now.
    pub(super) fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// How fast the next body must come.
    pub(super) fn pace(&self) -> Pace {
        Pace { stalled_after: self.stalled_after, started: None, read: 0 }
    }

    /// Reads a body.
    ///
    /// # Errors
    /// `BodyTooLarge`, before anything is read if the length was announced; `Overloaded` when too
    /// much is held already; `InvalidBody` if the client stops before the end.
    pub(super) async fn read<B>(self: &Arc<Self>, body: &mut B) -> Result<(Bytes, Held)>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let limit = self.limit;
        if body.size_hint().lower() > limit as u64 {
            return Err(too_large(limit));
        }
        let mut held = Held { intake: self.clone(), bytes: 0 };
        let mut pace = self.pace();
        let mut first: Option<Bytes> = None;
        let mut rest = BytesMut::new();
        while let Some(data) = pace.next(body).await? {
            let read = first.as_ref().map_or(0, Bytes::len).max(rest.len());
            if read + data.len() > limit {
                return Err(too_large(limit));
            }
            held.grow(data.len())?;
            // Most bodies come in one piece: it is passed on without a copy.
            match first.take() {
                None if rest.is_empty() => first = Some(data),
                None => rest.extend_from_slice(&data),
                Some(piece) => {
                    rest.reserve(usize::try_from(body.size_hint().lower()).unwrap_or(0).min(limit) + read);
                    rest.extend_from_slice(&piece);
                    rest.extend_from_slice(&data);
                }
            }
        }
        Ok((first.unwrap_or_else(|| rest.freeze()), held))
    }
}

impl Held {
    fn grow(&mut self, bytes: usize) -> Result<()> {
        let bytes = bytes as u64;
        self.bytes += bytes;
        if self.intake.held.fetch_add(bytes, Ordering::Relaxed) + bytes > self.intake.memory {
            let message = "Too many large bodies at once: try again later";
            return Err(Error::new(ErrorKind::Overloaded, message));
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.intake.held.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}

/// How far a body has come, and by when it must come further.
pub(super) struct Pace {
    stalled_after: Duration,
    /// When it was first waited for.
    started: Option<Instant>,
    read: u64,
}

impl Pace {
    /// The next piece of data, or `None` at the end.
    ///
    /// # Errors
    /// `InvalidBody` when the client stops, breaks off or is too slow.
    pub(super) async fn next<B>(&mut self, body: &mut B) -> Result<Option<Bytes>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        loop {
            // What is there already needs no timer.
            let frame = match body.frame().now_or_never() {
                Some(frame) => frame,
                None => match tokio::time::timeout_at(self.deadline(), body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => return Err(invalid("The body stalled before its end")),
                },
            };
            match frame {
                None => return Ok(None),
                Some(Err(error)) => {
                    tracing::debug!(%error, "a body broke off");
                    return Err(invalid("The body ended before its end"));
                }
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        self.read += data.len() as u64;
                        return Ok(Some(data));
                    }
                    Err(_trailers) => {}
                },
            }
        }
    }

    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let started = *self.started.get_or_insert(now);
        let slowest = started + self.stalled_after + Duration::from_secs(self.read / SLOWEST);
        (now + self.stalled_after).min(slowest)
    }
}

/// Lets the client finish sending a body that was refused. A client that asked first
/// (`Expect: 100-continue`) has not begun.
pub(super) fn discard<B>(mut body: B, headers: &HeaderMap)
where
    B: Body<Data = Bytes> + Unpin + Send + 'static,
    B::Error: std::fmt::Display + Send,
{
    if body.is_end_stream() || headers.contains_key(EXPECT) {
        return;
    }
    tokio::spawn(async move {
        let read = async {
            let mut left = DISCARD_BYTES;
            let mut pace = Pace { stalled_after: DISCARD_TIME, started: None, read: 0 };
            while let Ok(Some(data)) = pace.next(&mut body).await {
                left = left.saturating_sub(data.len());
                if left == 0 {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(DISCARD_TIME, read).await;
    });
}

/// Makes of a body what its content type says it is.
///
/// # Errors
/// `InvalidBody` when it is not.
pub async fn parse(headers: &HeaderMap, body: Bytes) -> Result<Payload> {
    if body.is_empty() {
        return Ok(Payload::Empty);
    }
    if let Some(coding) = headers.get(CONTENT_ENCODING)
        && !coding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let coding = String::from_utf8_lossy(coding.as_bytes());
        return Err(invalid(format!("Content-Encoding {coding:?} is not supported: send the body as it is")));
    }
    let Some(header) = headers.get(CONTENT_TYPE) else { return Ok(Payload::Bytes(body)) };
    let header = String::from_utf8_lossy(header.as_bytes());
    match Kind::of(essence(&header)) {
        Kind::Json => match json::check(&body) {
            Ok(()) => Ok(Payload::Json(body)),
            Err(why) => Err(invalid(format!("The body is not valid JSON: {why}"))),
        },
        Kind::Form => form(&body),
        Kind::Multipart => multipart::parse(&header, body).await,
        Kind::Text => text(&header, body),
        Kind::Bytes => Ok(Payload::Bytes(body)),
    }
}

/// How a content type is read.
enum Kind {
    Json,
    Form,
    Multipart,
    Text,
    Bytes,
}

impl Kind {
    fn of(essence: &str) -> Self {
        let is = |name: &str| essence.eq_ignore_ascii_case(name);
        let ends = |suffix: &str| {
            let start = essence.len().checked_sub(suffix.len());
            start.and_then(|start| essence.get(start..)).is_some_and(|end| end.eq_ignore_ascii_case(suffix))
        };
        if is("application/json") || is("text/json") || ends("+json") {
            Self::Json
        } else if is("application/x-www-form-urlencoded") {
            Self::Form
        } else if is("multipart/form-data") {
            Self::Multipart
        } else if essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/")) {
            Self::Text
        } else {
            Self::Bytes
        }
    }
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or("").trim()
}

fn form(body: &[u8]) -> Result<Payload> {
    let mut pairs = Vec::new();
    for (name, value) in form_urlencoded::parse(body) {
        if pairs.len() == MAX_FIELDS {
            return Err(invalid(format!("The form has more than {MAX_FIELDS} fields")));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Ok(Payload::Form(pairs))
}

fn text(content_type: &str, body: Bytes) -> Result<Payload> {
    let charset = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    });
    match charset.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii") => match String::from_utf8(body.into()) {
            Ok(text) => Ok(Payload::Text(text)),
            Err(error) => {
                let place = error.utf8_error().valid_up_to();
                Err(invalid(format!("The body is not valid UTF-8 at byte {place}")))
            }
        },
        Some("iso-8859-1" | "latin1") => Ok(Payload::Text(super::latin1(&body))),
        Some(other) => Err(invalid(format!("Charset {other:?} is not supported: use utf-8 or iso-8859-1"))),
    }
}

pub(super) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidBody, message)
}

fn too_large(limit: usize) -> Error {
    Error::new(ErrorKind::BodyTooLarge, format!("The body exceeds {limit} bytes (server.body_limit)"))
}
