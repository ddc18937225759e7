//! Answers to what never becomes a request: written by hand, since hyper does not see it.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::framing::Violation;

/// How long a client may take for such an answer.
const WITHIN: Duration = Duration::from_secs(1);

/// Bytes that are read and thrown away after it: a socket that is closed with bytes unread is
/// reset, and the client does not get to the answer.
const LEFT_OVER: u64 = 256 * 1024;

/// What a client is told before its connection is closed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Refused {
    /// It broke the protocol.
    Broke(Violation),
    /// Its head did not come to an end.
    SlowHead,
    /// There are too many connections.
    Full,
}

impl Refused {
    /// Status, code and sentence.
    fn words(self) -> (&'static str, &'static str, String) {
        match self {
            Self::Broke(Violation::Malformed(why)) => {
                ("400 Bad Request", "BAD_REQUEST", format!("The request is malformed: {why}"))
            }
            Self::Broke(Violation::UriTooLong) => {
                ("414 URI Too Long", "BAD_REQUEST", "The path and query are too long".to_owned())
            }
            Self::Broke(Violation::HeadTooLarge) => (
                "431 Request Header Fields Too Large",
                "BAD_REQUEST",
                "The headers are too long or too many".to_owned(),
            ),
            Self::Broke(Violation::Version) => {
                ("505 HTTP Version Not Supported", "BAD_REQUEST", "The server speaks HTTP/1.1".to_owned())
            }
            Self::SlowHead => {
                ("408 Request Timeout", "BAD_REQUEST", "The headers did not come in time".to_owned())
            }
            Self::Full => (
                "503 Service Unavailable",
                "OVERLOADED",
                "Too many connections at once: try again later".to_owned(),
            ),
        }
    }

    fn bytes(self, request_id: &str) -> Vec<u8> {
        let (status, code, error) = self.words();
        let body = serde_json::json!({ "error": error, "code": code, "requestId": request_id }).to_string();
        let retry = if matches!(self, Self::Full) { "retry-after: 1\r\n" } else { "" };
        format!(
            "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{retry}\
             x-request-id: {request_id}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    }

    /// Answers, if the client takes it, and closes.
    pub(super) async fn send<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S, request_id: &str) {
        let mut stream = stream;
        let answer = async {
            stream.write_all(&self.bytes(request_id)).await?;
            stream.shutdown().await?;
            let mut rest = stream.take(LEFT_OVER);
            tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
        };
        // A client that went away needs no answer.
        let _ = tokio::time::timeout(WITHIN, answer).await;
    }
}
