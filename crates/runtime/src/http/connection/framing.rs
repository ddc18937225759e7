//! Where one request ends and the next begins, read strictly: whatever two servers could read
//! differently is refused, so that nothing can be hidden from a proxy in front of this one.
//!
//! Follows RFC 9112 without its leniencies: lines end in CRLF, a length is given once, nothing is
//! folded. hyper parses what passes here; it never sees the rest.

use memchr::{memchr, memchr2};

/// Digits of a length that fits a `u64` for certain.
const MOST_DIGITS: usize = 19;

/// Bytes of a line that gives the size of a chunk. Extensions are read and dropped by everybody.
const CHUNK_LINE: usize = 256;

/// What bounds a request's line and headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct HeadLimits {
    /// Bytes of line and headers.
    pub(super) head: usize,
    /// Bytes of path and query.
    pub(super) uri: usize,
    /// Header fields.
    pub(super) fields: usize,
}

/// What is wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Violation {
    /// It breaks the protocol: 400.
    Malformed(&'static str),
    /// 414.
    UriTooLong,
    /// 431.
    HeadTooLarge,
    /// 505.
    Version,
}

/// A violation and the request that it is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) violation: Violation,
    /// Bytes of the piece that belong to requests before the broken one.
    pub(super) before: usize,
    /// Its head came whole in earlier pieces: it is with its handler, who will answer.
    pub(super) is_begun: bool,
}

/// Follows the bytes of one connection.
pub(super) struct Framing {
    limits: HeadLimits,
    state: State,
    head: Head,
    /// The start of a line whose end has not come yet.
    partial: Vec<u8>,
    /// Bytes of the head, or of the trailer, so far.
    size: usize,
    /// Heads that came to their end.
    requests: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the request line; one empty line may precede it.
    Start {
        skipped: bool,
    },
    Fields,
    /// So many bytes of the body are to come.
    Body(u64),
    ChunkSize,
    Chunk(u64),
    /// The line break after a chunk.
    ChunkEnd,
    Trailer,
}

/// What is known of the head being read.
#[derive(Default)]
struct Head {
    http_1_1: bool,
    fields: usize,
    hosts: usize,
    length: Option<u64>,
    chunked: bool,
}

impl Framing {
    pub(super) fn new(limits: HeadLimits) -> Self {
        let state = State::Start { skipped: false };
        Self { limits, state, head: Head::default(), partial: Vec::new(), size: 0, requests: 0 }
    }

    /// Heads so far.
    pub(super) fn requests(&self) -> u64 {
        self.requests
    }

    /// Whether nothing of a next request has come.
    pub(super) fn is_between(&self) -> bool {
        matches!(self.state, State::Start { .. }) && self.partial.is_empty()
    }

    /// Whether a part of a head has come.
    pub(super) fn is_in_head(&self) -> bool {
        matches!(self.state, State::Start { .. } | State::Fields) && !self.is_between()
    }

    /// Reads on.
    ///
    /// # Errors
    /// The first violation. What follows it cannot be told apart any more: the connection must end.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        let mut at = 0;
        let mut message = 0;
        let mut is_begun = !self.is_between() && !self.is_in_head();
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.is_between() {
                message = at;
                is_begun = false;
            }
            let step = match self.state {
                State::Body(left) | State::Chunk(left) => Ok(self.pass(left, rest)),
                _ => self.line(rest),
            };
            at += step.map_err(|violation| Broken { violation, before: message, is_begun })?;
        }
        Ok(())
    }

    /// Bytes of a body, which nothing is looked for in.
    fn pass(&mut self, left: u64, rest: &[u8]) -> usize {
        let passed = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        let left = left - passed as u64;
        self.state = match self.state {
            State::Chunk(_) if left == 0 => State::ChunkEnd,
            State::Chunk(_) => State::Chunk(left),
            _ if left == 0 => State::Start { skipped: false },
            _ => State::Body(left),
        };
        passed
    }

    /// A line, or what there is of it.
    fn line(&mut self, rest: &[u8]) -> Result<usize, Violation> {
        let Some(end) = memchr(b'\n', rest) else {
            self.partial.extend_from_slice(rest);
            self.bounded(self.partial.len())?;
            return Ok(rest.len());
        };
        let read = end + 1;
        let joined;
        let line = if self.partial.is_empty() {
            &rest[..end]
        } else {
            let mut line = std::mem::take(&mut self.partial);
            line.extend_from_slice(&rest[..end]);
            joined = line;
            &joined
        };
        self.bounded(line.len())?;
        let Some(line) = line.strip_suffix(b"\r") else {
            return Err(Violation::Malformed("a line ends in LF without CR"));
        };
        if memchr2(b'\r', 0, line).is_some() {
            return Err(Violation::Malformed("a line holds CR or NUL"));
        }
        self.size += line.len() + 2;
        self.state = match self.state {
            State::Start { skipped } => self.request_line(line, skipped)?,
            State::Fields if line.is_empty() => self.end_of_head()?,
            State::Fields => self.field(line)?,
            State::ChunkSize => self.chunk_size(line)?,
            State::ChunkEnd if line.is_empty() => State::ChunkSize,
            State::ChunkEnd => return Err(Violation::Malformed("a chunk is longer than it says")),
            State::Trailer if line.is_empty() => State::Start { skipped: false },
            State::Trailer => self.trailer(line)?,
            body @ (State::Body(_) | State::Chunk(_)) => body,
        };
        Ok(read)
    }

    fn bounded(&self, line: usize) -> Result<(), Violation> {
        match self.state {
            // A path of which the end has not come is too long once it alone is past the limit.
            State::Start { .. } if line > self.limits.uri + 64 => Err(Violation::UriTooLong),
            State::ChunkSize | State::ChunkEnd if line > CHUNK_LINE => {
                Err(Violation::Malformed("the line of a chunk's size is too long"))
            }
            _ if self.size + line > self.limits.head => Err(Violation::HeadTooLarge),
            _ => Ok(()),
        }
    }

    fn request_line(&mut self, line: &[u8], skipped: bool) -> Result<State, Violation> {
        if line.is_empty() && !skipped {
            return Ok(State::Start { skipped: true });
        }
        let mut parts = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Violation::Malformed("the request line is not METHOD SP TARGET SP VERSION"));
        };
        if !is_token(method) || method == b"CONNECT" {
            return Err(Violation::Malformed("the method is not one that is served"));
        }
        if target.len() > self.limits.uri {
            return Err(Violation::UriTooLong);
        }
        if target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Violation::Malformed("the target holds characters that must be escaped"));
        }
        self.head = Head {
            http_1_1: match version {
                b"HTTP/1.1" => true,
                b"HTTP/1.0" => false,
                other if other.starts_with(b"HTTP/") => return Err(Violation::Version),
                _ => return Err(Violation::Malformed("the request line names no version of HTTP")),
            },
            ..Head::default()
        };
        self.size = line.len() + 2;
        Ok(State::Fields)
    }

    fn field(&mut self, line: &[u8]) -> Result<State, Violation> {
        self.head.fields += 1;
        if self.head.fields > self.limits.fields {
            return Err(Violation::HeadTooLarge);
        }
        let (name, value) = name_and_value(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if self.head.length.is_some() {
                return Err(Violation::Malformed("Content-Length is given more than once"));
            }
            self.head.length = Some(length(value)?);
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if self.head.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Violation::Malformed("Transfer-Encoding is not \"chunked\""));
            }
            self.head.chunked = true;
        } else if name.eq_ignore_ascii_case(b"host") {
            self.head.hosts += 1;
        }
        Ok(State::Fields)
    }

    fn end_of_head(&mut self) -> Result<State, Violation> {
        let head = &self.head;
        if head.chunked && head.length.is_some() {
            return Err(Violation::Malformed("both Content-Length and Transfer-Encoding are given"));
        }
        if head.chunked && !head.http_1_1 {
            return Err(Violation::Malformed("Transfer-Encoding is not for HTTP/1.0"));
        }
        if head.hosts > 1 || (head.hosts == 0 && head.http_1_1) {
            return Err(Violation::Malformed("Host must be given once"));
        }
        self.size = 0;
        self.requests += 1;
        Ok(match head.length {
            _ if head.chunked => State::ChunkSize,
            Some(length) if length > 0 => State::Body(length),
            _ => State::Start { skipped: false },
        })
    }

    fn chunk_size(&mut self, line: &[u8]) -> Result<State, Violation> {
        self.size = 0;
        let digits = line.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(line.len());
        let (digits, extension) = line.split_at(digits);
        let size = std::str::from_utf8(digits).ok().filter(|digits| (1..=15).contains(&digits.len()));
        let size = size.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        match (size, extension.first()) {
            (Some(0), None | Some(b';')) => Ok(State::Trailer),
            (Some(size), None | Some(b';')) => Ok(State::Chunk(size)),
            _ => Err(Violation::Malformed("the size of a chunk is not a hexadecimal number")),
        }
    }

    fn trailer(&mut self, line: &[u8]) -> Result<State, Violation> {
        let (name, _) = name_and_value(line)?;
        let framing: [&[u8]; 3] = [b"content-length", b"transfer-encoding", b"host"];
        if framing.iter().any(|field| name.eq_ignore_ascii_case(field)) {
            return Err(Violation::Malformed("a trailer holds a field that belongs into the head"));
        }
        Ok(State::Trailer)
    }
}

fn name_and_value(line: &[u8]) -> Result<(&[u8], &[u8]), Violation> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Violation::Malformed("a header is folded over lines"));
    }
    let colon = memchr(b':', line).ok_or(Violation::Malformed("a header has no colon"))?;
    let (name, value) = line.split_at(colon);
    if !is_token(name) {
        return Err(Violation::Malformed("the name of a header holds what it may not"));
    }
    Ok((name, trim(&value[1..])))
}

/// Without the white space that RFC 9110, 5.6.3 allows around a value; other white space stays,
/// and is refused by whoever reads the value.
fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

fn length(value: &[u8]) -> Result<u64, Violation> {
    let digits = (1..=MOST_DIGITS).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
    number.ok_or(Violation::Malformed("Content-Length is not a number"))
}

/// RFC 9110, 5.6.2.
fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

#[cfg(test)]
#[path = "framing_tests.rs"]
mod tests;
