use proptest::prelude::*;

use super::*;

const LIMITS: HeadLimits = HeadLimits { head: 2048, uri: 512, fields: 20 };

/// Feeds `bytes` in pieces of `size`.
fn read(bytes: &[u8], size: usize) -> Result<bool, Violation> {
    let mut framing = Framing::new(LIMITS);
    for piece in bytes.chunks(size.max(1)) {
        framing.feed(piece).map_err(|broken| broken.violation)?;
    }
    Ok(framing.is_between())
}

fn violation(text: &str) -> Violation {
    let whole = read(text.as_bytes(), usize::MAX).unwrap_err();
    for size in 1..text.len() {
        assert_eq!(read(text.as_bytes(), size), Err(whole), "in pieces of {size}: {text:?}");
    }
    whole
}

#[test]
fn what_is_well_formed_passes() {
    for text in [
        "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "\r\nGET /a?b=c HTTP/1.1\r\nHOST: x\r\nx-empty:\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: \t 0005 \r\n\r\n\r\n\0\n\r",
        "POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: Chunked\r\n\r\n5;a=b\r\nhe\nlo\r\n0\r\nx-t: 1\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n",
    ] {
        for size in 1..=text.len() {
            assert_eq!(read(text.as_bytes(), size), Ok(true), "in pieces of {size}: {text:?}");
        }
    }
}

#[test]
fn what_two_servers_could_read_differently_does_not() {
    let head = |fields: &str| format!("POST / HTTP/1.1\r\nhost: x\r\n{fields}\r\n\r\n");
    let chunked = |body: &str| format!("{}{body}", head("transfer-encoding: chunked"));
    for text in [
        head("content-length: 3\r\ntransfer-encoding: chunked"),
        head("transfer-encoding: chunked\r\ncontent-length: 3"),
        head("content-length: 3\r\ncontent-length: 3"),
        head("content-length: 3\r\ncontent-length: 4"),
        head("content-length: 3, 3"),
        head("content-length: +3"),
        head("content-length: -3"),
        head("content-length: 0x3"),
        head("content-length: 3 3"),
        head("content-length:"),
        head("content-length: 99999999999999999999"),
        head("content-length\t: 3"),
        head("content-length : 3"),
        head("content-length: \x0c3"),
        head(" content-length: 3"),
        head("x: a\r\n b"),
        head("x: a\r\n\tb"),
        head("x: a\nb: c"),
        head("x: a\rb: c"),
        head("x: a\0"),
        head("x"),
        head(": a"),
        head("x y: a"),
        head("transfer-encoding: identity"),
        head("transfer-encoding: gzip, chunked"),
        head("transfer-encoding: chunked, chunked"),
        head("transfer-encoding: chunked\r\ntransfer-encoding: chunked"),
        head("transfer-encoding: \x0bchunked"),
        head("transfer-encoding: xchunked"),
        head("host: y"),
        chunked("3 \r\nabc\r\n0\r\n\r\n"),
        chunked("3\nabc\r\n0\r\n\r\n"),
        chunked("3\r\nabc\n0\r\n\r\n"),
        chunked("3\r\nabcd\r\n0\r\n\r\n"),
        chunked("3\r\nab\r\n0\r\n\r\n"),
        chunked("0x3\r\nabc\r\n0\r\n\r\n"),
        chunked("+3\r\nabc\r\n0\r\n\r\n"),
        chunked("\r\nabc\r\n0\r\n\r\n"),
        chunked("fffffffffffffffff\r\n"),
        chunked("0\r\ncontent-length: 5\r\n\r\n"),
        chunked("0\r\n x: 5\r\n\r\n"),
        "GET / HTTP/1.1\nhost: x\n\n".to_owned(),
        "GET / HTTP/1.1\r\n\r\n".to_owned(),
        "GET  / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET / HTTP/1.1 \r\nhost: x\r\n\r\n".to_owned(),
        "GET /\tHTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /\u{e9} HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "GET /\r\n".to_owned(),
        "G@T / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "CONNECT x:1 HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "\r\n\r\nGET / HTTP/1.1\r\nhost: x\r\n\r\n".to_owned(),
        "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(),
    ] {
        assert!(matches!(violation(&text), Violation::Malformed(_)), "{text:?}");
    }
}

#[test]
fn what_is_too_long_is_told_apart() {
    let line = |uri: usize| format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "a".repeat(uri));
    assert_eq!(read(line(511).as_bytes(), 7), Ok(true));
    assert_eq!(read(line(512).as_bytes(), usize::MAX), Err(Violation::UriTooLong));
    assert_eq!(read("G".repeat(9000).as_bytes(), 100), Err(Violation::UriTooLong));
    let long = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "a".repeat(3000));
    assert_eq!(read(long.as_bytes(), 100), Err(Violation::HeadTooLarge));
    let many = format!("GET / HTTP/1.1\r\n{}", "x: a\r\n".repeat(21));
    assert_eq!(read(many.as_bytes(), 100), Err(Violation::HeadTooLarge));
    let trailers = format!(
        "GET / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n{}",
        "x: a\r\n".repeat(500)
    );
    assert_eq!(read(trailers.as_bytes(), 100), Err(Violation::HeadTooLarge));
    assert_eq!(violation("PRI * HTTP/2.0\r\n\r\n"), Violation::Version);
}

#[test]
fn requests_before_the_broken_one_are_known() {
    let good = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nab";
    let bytes = [&good[..], b"GET / HTTP/1.1\nhost: x\n\n"].concat();
    let broken = Framing::new(LIMITS).feed(&bytes).unwrap_err();
    assert_eq!((broken.before, broken.is_begun), (good.len(), false));
    let head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let mut framing = Framing::new(LIMITS);
    framing.feed(head).unwrap();
    let broken = framing.feed(b"nonsense\r\n").unwrap_err();
    assert_eq!((broken.before, broken.is_begun), (0, true));
    let broken = Framing::new(LIMITS).feed(&[&head[..], b"nonsense\r\n"].concat()).unwrap_err();
    assert_eq!((broken.before, broken.is_begun), (0, false));
}

/// A request that this writes, with how it is framed.
fn request() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..60);
    let chunks = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..20), 0..5);
    let head = "[A-Z]{1,7} /[a-z0-9/?=&%]{0,20} HTTP/1\\.1\r\nhost: [a-z]{1,9}\r\n(x-[a-z]{1,9}: [!-~ ]{0,20}\r\n){0,5}";
    prop_oneof![
        (head, body).prop_map(|(head, body)| {
            let mut bytes = format!("{head}content-length: {}\r\n\r\n", body.len()).into_bytes();
            bytes.extend(body);
            bytes
        }),
        (head, chunks).prop_map(|(head, chunks)| {
            let mut bytes = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
            for chunk in chunks {
                bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\n\r\n");
            bytes
        }),
    ]
}

proptest! {
    #[test]
    fn requests_are_found_wherever_they_are_cut(
        requests in proptest::collection::vec(request(), 1..5),
        size in 1_usize..200,
    ) {
        prop_assume!(requests.iter().all(|request| !request.starts_with(b"CONNECT ")));
        let bytes = requests.concat();
        prop_assert_eq!(read(&bytes, size), Ok(true));
        prop_assert_ne!(read(&bytes[..bytes.len() - 1], size), Ok(true));
    }

    #[test]
    fn any_bytes_are_read_alike_in_any_pieces(
        text in "(GET|POST|[ -~]{0,4}) [!-~]{1,9} HTTP/1.[01]\r\n((host|content-length|transfer-encoding|[a-z ]{1,5}): ?(chunked|[0-9]{1,2}|[ -~]{0,9})\r?\n){0,4}\r\n[0-9a-z\r\n]{0,30}",
        size in 1_usize..80,
    ) {
        prop_assert_eq!(read(text.as_bytes(), size), read(text.as_bytes(), usize::MAX));
    }
}
