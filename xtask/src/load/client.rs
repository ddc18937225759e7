use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// How long an answer may take before the run counts it as missing.
const PATIENCE: Duration = Duration::from_secs(60);

/// The token of every server that is started here.
pub(crate) const TOKEN: &str = "xtask-token";

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) took: Duration,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// `OK`, or the code of the error.
    pub(crate) fn code(&self) -> String {
        if self.status < 400 {
            return "OK".to_owned();
        }
        let code = serde_json::from_slice::<Value>(&self.body)
            .ok()
            .and_then(|body| body.get("code").and_then(Value::as_str).map(str::to_owned));
        code.unwrap_or_else(|| self.status.to_string())
    }

    /// The lines in `x-function-logs`.
    pub(crate) fn lines(&self) -> Result<Vec<String>, String> {
        let Some(header) = self.header("x-function-logs") else { return Ok(Vec::new()) };
        let packed = STANDARD.decode(header).map_err(|error| error.to_string())?;
        let mut text = String::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_string(&mut text)
            .map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }
}

/// One connection to a server on this machine, opened again when it was closed.
pub(crate) struct Client {
    address: SocketAddr,
    stream: Option<TcpStream>,
}

/// Status, headers and body.
type Received = (u16, Vec<(String, String)>, Vec<u8>);

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], port)), stream: None }
    }

    pub(crate) fn invoke(&mut self, name: &str, body: &str) -> Result<Answer, String> {
        self.request("POST", &format!("/invoke/{name}"), body)
    }

    pub(crate) fn publish(&mut self, name: &str, source: &str) -> Result<Answer, String> {
        let body = serde_json::json!({ "source": source, "language": "javascript" }).to_string();
        self.request("PUT", &format!("/functions/{name}"), &body)
    }

    /// Sends a request and reads the whole answer.
    pub(crate) fn request(&mut self, method: &str, path: &str, body: &str) -> Result<Answer, String> {
        let started = Instant::now();
        let sent = self.send(method, path, body).and_then(|()| self.receive());
        if sent.is_err() {
            self.stream = None;
        }
        let (status, headers, body) = sent.map_err(|error| format!("{method} {path}: {error}"))?;
        if headers.iter().any(|(name, value)| name == "connection" && value == "close") {
            self.stream = None;
        }
        Ok(Answer { status, headers, body, took: started.elapsed() })
    }

    /// Sends a request and goes away.
    pub(crate) fn abandon(&mut self, name: &str) {
        // Whether it arrives is not the point.
        let _ = self.send("POST", &format!("/invoke/{name}"), "{}");
        self.stream = None;
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> std::io::Result<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect_timeout(&self.address, Duration::from_secs(5))?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_nodelay(true)?;
            self.stream = Some(stream);
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-develop-token: {TOKEN}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes())
    }

    fn receive(&mut self) -> std::io::Result<Received> {
        let broken = |what: &str| std::io::Error::new(std::io::ErrorKind::InvalidData, what.to_owned());
        let stream = self.stream.as_mut().ok_or_else(|| broken("no connection"))?;
        let mut bytes = Vec::with_capacity(1024);
        let mut piece = [0; 16 * 1024];
        let mut more = |bytes: &mut Vec<u8>| -> std::io::Result<()> {
            match stream.read(&mut piece)? {
                0 => Err(broken("the connection was closed before the end of the answer")),
                read => {
                    bytes.extend_from_slice(&piece[..read]);
                    Ok(())
                }
            }
        };
        let end = loop {
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
            more(&mut bytes)?;
        };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let status = status.ok_or_else(|| broken("the status line cannot be read"))?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let find =
            |wanted: &str| headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
        let mut body = bytes.split_off(end + 4);
        if let Some(length) = find("content-length").and_then(|length| length.parse::<usize>().ok()) {
            while body.len() < length {
                more(&mut body)?;
            }
        } else if find("transfer-encoding").is_some() {
            while !body.ends_with(b"0\r\n\r\n") {
                more(&mut body)?;
            }
        }
        Ok((status, headers, body))
    }
}
