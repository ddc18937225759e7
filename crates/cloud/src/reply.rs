use bytes::Bytes;
use serde::Deserialize;
use tandem_contract::{Error, Reply, Result};

/// What `entry.js` says of a function's value with `host.finish`.
pub enum Finish {
    /// All of the reply.
    Whole(Reply),
    /// The head of a reply whose body follows in pieces.
    Stream {
        /// The HTTP status.
        status: u16,
        /// Names and values in the order set.
        headers: Vec<(String, String)>,
    },
}

#[derive(Deserialize)]
struct Head {
    status: u16,
    headers: Vec<(String, String)>,
}

impl Finish {
    /// Reads the arguments of `host.finish(slot, kind, text?, bytes?)`.
    ///
    /// # Errors
    /// `Internal` when the head of a response is not what the scripts write.
    pub fn read(kind: u32, text: String, bytes: Option<Bytes>) -> Result<Self> {
        const JSON: u32 = 0;
        const BYTES: u32 = 1;
        const RESPONSE: u32 = 2;
        let body = bytes.unwrap_or_default();
        match kind {
            JSON => Ok(Self::Whole(Reply::Json(text.into()))),
            BYTES => Ok(Self::Whole(Reply::Bytes(body))),
            kind => {
                let Head { status, headers } = serde_json::from_str(&text).map_err(Error::internal)?;
                Ok(match kind {
                    RESPONSE => Self::Whole(Reply::Response { status, headers, body }),
                    _ => Self::Stream { status, headers },
                })
            }
        }
    }
}
