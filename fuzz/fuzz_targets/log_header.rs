//! The header stays within its limit and holds the newest lines, whatever they are.
#![no_main]

use std::io::Read as _;

use base64::Engine as _;
use libfuzzer_sys::fuzz_target;
use tandem_runtime::http::log_header;

fuzz_target!(|data: (Vec<String>, u16, u8)| {
    let (lines, limit, dropped) = data;
    let limit = usize::from(limit).max(256);
    let header = log_header::encode(&lines, u64::from(dropped), "id", limit);
    let packed = base64::engine::general_purpose::STANDARD.decode(header.as_bytes()).unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed.as_slice()).read_to_string(&mut text).unwrap();
    let kept: Vec<String> = serde_json::from_str(&text).unwrap();
    assert!(header.len() <= limit, "{} of {limit} bytes", header.len());
    let skip =
        usize::from(kept.first().is_some_and(|first| first.starts_with('…') && first.contains("GET /logs/")));
    assert!(lines.ends_with(&kept[skip..]), "{kept:?} of {lines:?}");
});
