//! A multipart body is read or refused, whatever its boundary.
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tandem_runtime::http::parse_body;

fuzz_target!(|data: &[u8]| {
    let (boundary, body) = match data.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (&b"x"[..], data),
    };
    let content_type = [b"multipart/form-data; boundary=", boundary].concat();
    let Ok(value) = HeaderValue::from_bytes(&content_type) else { return };
    let mut headers = HeaderMap::new();
    headers.insert("content-type", value);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _ = runtime.block_on(parse_body(&headers, Bytes::copy_from_slice(body)));
});
