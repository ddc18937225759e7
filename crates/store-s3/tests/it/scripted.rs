//! A server that answers as it is told, for faults that a real one does not have on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    /// An answer with this status and XML.
    Answer(u16, String),
    /// Headers that announce so many bytes, fewer bytes, and the end of the connection.
    BreakOff { announced: usize, sent: usize },
    /// The connection ends in the middle of the request.
    HangUp,
    /// No answer, as long as the client waits.
    Silence,
}

/// An S3 error.
pub(crate) fn error(status: u16, code: &str) -> Then {
    Then::Answer(
        status,
        format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>as told</Message></Error>"),
    )
}

/// A running script: what comes first, then what comes after all of that.
pub(crate) struct Scripted {
    pub(crate) endpoint: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(crate) async fn new(first: Vec<Then>, after: Then) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (seen, script) = (Arc::default(), Arc::new(Mutex::new(VecDeque::from(first))));
        let log: Arc<Mutex<Vec<String>>> = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, script, after) = (Arc::clone(&log), Arc::clone(&script), after.clone());
                tokio::spawn(async move { serve(stream, &log, &script, &after).await });
            }
        });
        Self { endpoint, seen }
    }

    /// Method and target of each request so far.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<String>>,
    script: &Mutex<VecDeque<Then>>,
    after: &Then,
) -> Option<()> {
    let mut received = Vec::new();
    loop {
        let end = loop {
            if let Some(at) = received.windows(4).position(|part| part == b"\r\n\r\n") {
                break at + 4;
            }
            (stream.read_buf(&mut received).await.ok()? > 0).then_some(())?;
        };
        let head = String::from_utf8_lossy(&received[..end]).to_ascii_lowercase();
        let line = String::from_utf8_lossy(&received[..end])
            .lines()
            .next()?
            .trim_end_matches(" HTTP/1.1")
            .to_owned();
        log.lock().unwrap().push(line.clone());
        let then = script.lock().unwrap().pop_front().unwrap_or_else(|| after.clone());
        if matches!(then, Then::HangUp) {
            return None;
        }
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(0, |text| text.trim().parse().unwrap());
        while received.len() < end + length {
            (stream.read_buf(&mut received).await.ok()? > 0).then_some(())?;
        }
        received.drain(..end + length);
        match then {
            Then::Answer(status, body) => {
                let body = if line.starts_with("HEAD ") { String::new() } else { body };
                let answer = format!(
                    "HTTP/1.1 {status} told\r\nETag: \"tag\"\r\nContent-Type: application/xml\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                stream.write_all(answer.as_bytes()).await.ok()?;
            }
            Then::BreakOff { announced, sent } => {
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {announced}\r\nETag: \"tag\"\r\n\r\n");
                stream.write_all(head.as_bytes()).await.ok()?;
                stream.write_all(&vec![b'x'; sent]).await.ok()?;
                return None;
            }
            Then::Silence => std::future::pending().await,
            Then::HangUp => return None,
        }
    }
}
