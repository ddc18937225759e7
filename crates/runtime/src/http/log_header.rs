//! The value of `x-function-logs`: base64 of gzip of a JSON array of strings.

use std::cell::RefCell;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use http::HeaderValue;

/// Shorter texts are stored, not deflated: a deflater's start costs more than such a text saves.
const STORE_UP_TO: usize = 512;

/// How much text is tried for each byte of the limit. Log lines deflate to a fifth or a tenth;
/// what is looked at must be bounded, or an invocation with megabytes of lines would keep a
/// thread busy for their sake.
const TEXT_PER_BYTE: usize = 32;

/// RFC 1952: magic, deflate, no flags, no time, no extra flags, unknown system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

static NO_LINES: LazyLock<HeaderValue> = LazyLock::new(|| to_header(&gzip(b"[]")));

thread_local! {
    /// A deflater's state is 200 KiB and more: one a thread.
    static DEFLATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), false));
}

/// Encodes the newest of `lines` that fit into `limit` bytes. If lines are missing, be it for the
/// limit or because `dropped` more were printed before them, the first says how many and where
/// the others are.
pub fn encode(lines: &[String], dropped: u64, request_id: &str, limit: usize) -> HeaderValue {
    if lines.is_empty() && dropped == 0 {
        return NO_LINES.clone();
    }
    let tail = Tail::new(lines, limit.saturating_mul(TEXT_PER_BYTE));
    let missing = |kept: usize| (lines.len() - kept) as u64 + dropped;
    let attempt = |kept: usize| {
        let note = match missing(kept) {
            0 => None,
            missing => Some(format!("… {missing} earlier lines: GET /logs/{request_id}")),
        };
        let packed = gzip(&tail.text(kept, note.as_deref()));
        (base64_len(packed.len()) <= limit).then_some(packed)
    };
    if let Some(packed) = attempt(tail.len()) {
        return to_header(&packed);
    }
    // The longest tail that fits; `best` fits, `low` lines do, `high` lines do not.
    let (mut low, mut high, mut best) = (0, tail.len(), None);
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        match attempt(middle) {
            Some(packed) => (low, best) = (middle, Some(packed)),
            None => high = middle,
        }
    }
    match best.or_else(|| attempt(0)) {
        Some(packed) => to_header(&packed),
        None => NO_LINES.clone(),
    }
}

/// The end of the lines as JSON, written once and cut where needed.
struct Tail {
    /// Each line as a JSON string followed by a comma.
    json: Vec<u8>,
    /// Where each of them starts.
    starts: Vec<usize>,
}

impl Tail {
    /// Takes as many of the last lines as `most` bytes of text hold.
    fn new(lines: &[String], most: usize) -> Self {
        let mut budget = most;
        let fits = |line: &&String| {
            let fits = line.len() + 3 <= budget;
            budget = budget.saturating_sub(line.len() + 3);
            fits
        };
        let count = lines.iter().rev().take_while(fits).count();
        let kept = &lines[lines.len() - count..];
        let mut json = Vec::with_capacity(kept.iter().map(|line| line.len() + 8).sum());
        let mut starts = Vec::with_capacity(count);
        for line in kept {
            starts.push(json.len());
            push_string(&mut json, line);
            json.push(b',');
        }
        Self { json, starts }
    }

    fn len(&self) -> usize {
        self.starts.len()
    }

    fn text(&self, kept: usize, note: Option<&str>) -> Vec<u8> {
        let start = self.starts.get(self.len() - kept).copied().unwrap_or(self.json.len());
        let mut text = Vec::with_capacity(self.json.len() - start + 128);
        text.push(b'[');
        if let Some(note) = note {
            push_string(&mut text, note);
            text.push(b',');
        }
        text.extend_from_slice(&self.json[start..]);
        if text.last() == Some(&b',') {
            text.pop();
        }
        text.push(b']');
        text
    }
}

fn push_string(json: &mut Vec<u8>, text: &str) {
    // Writing a string into memory has nothing to fail on.
    let _ = serde_json::to_writer(json, text);
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len().min(4096) + 64);
    out.extend_from_slice(&GZIP_HEAD);
    match u16::try_from(text.len()) {
        Ok(length) if text.len() <= STORE_UP_TO => {
            out.push(1);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(&(!length).to_le_bytes());
            out.extend_from_slice(text);
        }
        _ => DEFLATE.with_borrow_mut(|deflate| {
            deflate.reset();
            deflate_into(deflate, text, &mut out);
        }),
    }
    let mut crc = Crc::new();
    crc.update(text);
    out.extend_from_slice(&crc.sum().to_le_bytes());
    out.extend_from_slice(&crc.amount().to_le_bytes());
    out
}

fn deflate_into(deflate: &mut Compress, text: &[u8], out: &mut Vec<u8>) {
    loop {
        let done = usize::try_from(deflate.total_in()).unwrap_or(usize::MAX).min(text.len());
        match deflate.compress_vec(&text[done..], out, FlushCompress::Finish) {
            Ok(Status::StreamEnd) | Err(_) => return,
            Ok(_) => out.reserve(4096),
        }
    }
}

const fn base64_len(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4
}

fn to_header(packed: &[u8]) -> HeaderValue {
    HeaderValue::try_from(STANDARD.encode(packed)).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use proptest::prelude::*;

    use super::*;

    fn decode(value: &HeaderValue) -> Vec<String> {
        let packed = STANDARD.decode(value.as_bytes()).unwrap();
        let mut json = String::new();
        flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut json).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    /// A note and a suffix of the lines, or all of them.
    fn check(lines: &[String], dropped: u64, limit: usize) {
        let value = encode(lines, dropped, "id", limit);
        let got = decode(&value);
        assert!(value.len() <= limit.max(NO_LINES.len()), "{} > {limit}", value.len());
        if got == lines && dropped == 0 {
            return;
        }
        let Some((note, kept)) = got.split_first() else { return };
        let missing = (lines.len() - kept.len()) as u64 + dropped;
        assert_eq!(*note, format!("… {missing} earlier lines: GET /logs/id"));
        assert_eq!(kept, &lines[lines.len() - kept.len()..]);
    }

    #[test]
    fn no_lines_and_few() {
        assert_eq!(decode(&encode(&[], 0, "id", 4096)), Vec::<String>::new());
        let lines = vec!["hello".to_owned(), "[ERROR] \u{1f600}\n\"".to_owned()];
        assert_eq!(decode(&encode(&lines, 0, "id", 4096)), lines);
    }

    #[test]
    fn the_newest_lines_that_fit_are_kept() {
        let line = |n: u32| format!("{n} {:x}", n.wrapping_mul(2_654_435_761));
        let lines: Vec<String> = (0..2000).map(line).collect();
        let got = decode(&encode(&lines, 7, "id", 4096));
        assert!(got.len() > 200, "{}", got.len());
        assert_eq!(got.last(), lines.last());
        check(&lines, 7, 4096);
        let more = &lines[lines.len() - got.len() - 20..];
        assert!(encode(more, 0, "id", usize::MAX / 64).len() > 4096, "more would have fitted");
    }

    #[test]
    fn a_line_that_cannot_fit_leaves_the_note() {
        let lines = vec!["x".repeat(1 << 20)];
        assert_eq!(decode(&encode(&lines, 0, "id", 4096)), ["… 1 earlier lines: GET /logs/id"]);
    }

    proptest! {
        #[test]
        fn decodes_to_a_suffix_within_the_limit(
            lines in prop::collection::vec(".{0,200}", 0..60),
            dropped in 0u64..3,
            limit in 0usize..3000,
        ) {
            check(&lines, dropped, limit);
        }
    }
}
