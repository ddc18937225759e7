//! A request's bytes are read alike however they are cut, and a body is read or refused.
#![no_main]

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tandem_runtime::http::{count_requests, parse_body};

const TYPES: [&str; 6] = [
    "application/json",
    "application/x-www-form-urlencoded",
    "text/plain; charset=iso-8859-1",
    "text/plain",
    "application/problem+json",
    "x/y",
];

fuzz_target!(|data: &[u8]| {
    let Some((&first, rest)) = data.split_first() else { return };
    let whole = count_requests(rest, usize::MAX);
    assert_eq!(whole, count_requests(rest, usize::from(first) + 1));
    assert_eq!(whole, count_requests(rest, 1));
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(TYPES[usize::from(first) % TYPES.len()]));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let _ = runtime.block_on(parse_body(&headers, Bytes::copy_from_slice(rest)));
});
