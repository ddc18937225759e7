use std::sync::Mutex;
use std::time::Instant;

use percent_encoding::percent_decode_str;
use proptest::prelude::*;

use super::*;

struct At(Mutex<SystemTime>);

impl Clock for At {
    fn monotonic(&self) -> Instant {
        Instant::now()
    }

    fn wall(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

fn urls() -> (SignedUrls, Arc<At>) {
    let clock = Arc::new(At(Mutex::new(UNIX_EPOCH + Duration::from_millis(1_700_000_000_500))));
    (SignedUrls::with_key([7; 32], "https://example.com/api/", clock.clone()).unwrap(), clock)
}

fn bucket() -> Bucket {
    Bucket::new("default").unwrap()
}

fn presign(method: PresignMethod, seconds: u64, content_type: Option<&str>) -> Presign {
    Presign {
        method,
        expires_in: Duration::from_secs(seconds),
        content_type: content_type.map(str::to_owned),
    }
}

/// What a server makes of a URL that a client normalised as browsers do.
fn follow(urls: &SignedUrls, method: PresignMethod, url: &str, content_type: Option<&str>) -> Result<String> {
    let url = Url::parse(url).map_err(Error::internal)?;
    let refused = || Error::new(ErrorKind::Forbidden, "not one of our URLs");
    let path = url.path().strip_prefix("/api/objects/").ok_or_else(refused)?;
    let (bucket, key) = path.split_once('/').ok_or_else(refused)?;
    let key = percent_decode_str(key).decode_utf8().map_err(|_| refused())?;
    let bucket = Bucket::new(bucket).map_err(|_| refused())?;
    urls.verify(method, &bucket, &key, url.query().unwrap_or_default(), content_type)
}

fn reason(result: Result<String>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Forbidden);
    assert!(error.message().starts_with("The signed URL "), "{error}");
    error.detail().unwrap().strip_prefix("signed URL: ").unwrap().to_owned()
}

use PresignMethod::{Get, Put};

#[test]
fn the_url_is_plain() {
    let (urls, _) = urls();
    let url = urls.sign(&bucket(), "photos/Cat 1+2.jpg", &presign(Put, 60, Some("image/svg+xml"))).unwrap();
    let (start, signature) = url.split_once("signature=").unwrap();
    assert_eq!(
        start,
        "https://example.com/api/objects/default/photos/Cat%201%2B2.jpg?expires=1700000061&method=PUT&content-type=image%2Fsvg%2Bxml&"
    );
    assert_eq!(signature.len(), 43);
    let url = urls.sign(&bucket(), "a/../b", &presign(Get, 60, Some("ignored"))).unwrap();
    assert!(url.starts_with(
        "https://example.com/api/objects/default/-?key=a%2F..%2Fb&expires=1700000061&method=GET&signature="
    ));
}

#[test]
fn it_lasts_as_long_as_was_asked_for() {
    let (urls, clock) = urls();
    let url = urls.sign(&bucket(), "k", &presign(Get, 60, None)).unwrap();
    *clock.0.lock().unwrap() += Duration::from_millis(60_500);
    assert_eq!(follow(&urls, Get, &url, None).unwrap(), "k");
    *clock.0.lock().unwrap() += Duration::from_millis(1);
    assert_eq!(reason(follow(&urls, Get, &url, None)), "it has expired");
}

#[test]
fn its_life_has_bounds() {
    let (urls, _) = urls();
    for expires_in in
        [Duration::ZERO, Duration::from_millis(999), LONGEST + Duration::from_nanos(1), Duration::MAX]
    {
        let presign = Presign { method: Get, expires_in, content_type: None };
        let error = urls.sign(&bucket(), "k", &presign).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
    for seconds in [1, 604_800] {
        urls.sign(&bucket(), "k", &presign(Get, seconds, None)).unwrap();
    }
}

#[test]
fn it_is_for_one_method_and_content_type() {
    let (urls, _) = urls();
    let get = urls.sign(&bucket(), "k", &presign(Get, 60, None)).unwrap();
    assert!(follow(&urls, Get, &get, Some("anything/goes")).is_ok());
    assert_eq!(reason(follow(&urls, Put, &get, None)), "it was signed for another method");
    let put = urls.sign(&bucket(), "k", &presign(Put, 60, Some("image/png"))).unwrap();
    assert!(follow(&urls, Put, &put, Some("image/png")).is_ok());
    assert_eq!(reason(follow(&urls, Get, &put, Some("image/png"))), "it was signed for another method");
    for other in [None, Some(""), Some("image/gif"), Some("image/png; a=b"), Some("image/png, text/html")] {
        assert_eq!(
            reason(follow(&urls, Put, &put, other)),
            "it was signed for another content type",
            "{other:?}"
        );
    }
    let free = urls.sign(&bucket(), "k", &presign(Put, 60, None)).unwrap();
    assert!(follow(&urls, Put, &free, None).is_ok() && follow(&urls, Put, &free, Some("a/b")).is_ok());
}

#[test]
fn altered_parts_are_refused() {
    let (urls, _) = urls();
    let url = urls.sign(&bucket(), "a/b", &presign(Put, 60, Some("text/plain"))).unwrap();
    let fit = "the signature does not fit";
    let parameters = "a parameter is missing, unknown or repeated";
    for (from, to, expected) in [
        ("/a/b?", "/a/c?", fit),
        ("/a/b?", "/a%2Fb%20?", fit),
        ("/default/", "/other/", fit),
        ("method=PUT", "method=GET", fit),
        ("method=PUT", "method=put", fit),
        ("expires=1", "expires=2", fit),
        ("expires=1", "expires=01", fit),
        ("expires=1", "expires=%2B1", fit),
        ("text%2Fplain", "text%2Fhtml", fit),
        ("content-type=text%2Fplain&", "", fit),
        ("content-type=text%2Fplain", "content-type=", fit),
        ("signature=", "signature=A", fit),
        ("method=PUT&", "", parameters),
        ("method=PUT", "method=PUT&method=PUT", parameters),
        ("method=PUT", "method=PUT&extra=1", parameters),
        ("method=PUT", "Method=PUT", parameters),
        ("?", "?key=a%2Fb&", "the key is in the path and in the query"),
        ("/a/b?", "/-?key=c&", fit),
    ] {
        assert!(url.contains(from));
        let altered = url.replacen(from, to, 1);
        assert_eq!(reason(follow(&urls, Put, &altered, Some("text/plain"))), expected, "{altered}");
    }
    let unsigned = url.split_once("&signature").unwrap().0;
    assert_eq!(reason(follow(&urls, Put, unsigned, Some("text/plain"))), parameters);
    for query in ["", "signature=", "expires=&method=&signature=", "&&&", "%"] {
        assert!(urls.verify(Put, &bucket(), "a/b", query, None).is_err());
    }
}

#[test]
fn keys_make_different_signatures() {
    let (urls, clock) = urls();
    let url = urls.sign(&bucket(), "k", &presign(Get, 60, None)).unwrap();
    let other = SignedUrls::with_key([8; 32], "https://example.com/api", clock.clone()).unwrap();
    assert_eq!(reason(follow(&other, Get, &url, None)), "the signature does not fit");
    // The same secret gives the same key, in every process.
    let [one, two, three] = ["swordfish", "swordfish", "other"]
        .map(|secret| SignedUrls::new(secret, "http://h/api", clock.clone()).unwrap());
    let url = one.sign(&bucket(), "k", &presign(Get, 60, None)).unwrap();
    assert_eq!(follow(&two, Get, &url, None).unwrap(), "k");
    assert!(follow(&three, Get, &url, None).is_err());
}

#[test]
fn derivation_is_pbkdf2() {
    // RFC 7914 §11, the first 32 bytes.
    let key = pbkdf2(b"passwd", b"salt", 1).unwrap();
    assert_eq!(hex(&key), "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
    let key = pbkdf2(b"Password", b"NaCl", 80_000).unwrap();
    assert_eq!(hex(&key), "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56");
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_base_that_is_no_server_is_refused() {
    let (_, clock) = urls();
    for base in ["", "example.com", "ftp://example.com", "http://h/?a=b", "http://h/#f", "/path"] {
        let error = SignedUrls::with_key([0; 32], base, clock.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{base}");
    }
}

proptest! {
    #[test]
    fn every_key_survives_the_way_through_a_client(
        key in "([^\0]|[./%-]){1,30}",
        content_type in prop::option::of("[ -~]{1,20}"),
    ) {
        let (urls, _) = urls();
        let content_type = content_type.as_deref().map(str::trim);
        let url = urls.sign(&bucket(), &key, &presign(Put, 60, content_type)).unwrap();
        prop_assert!(url.is_ascii() && !url.contains(' '));
        prop_assert_eq!(follow(&urls, Put, &url, content_type).unwrap(), key);
    }

    #[test]
    fn escaping_more_changes_nothing(key in "[a-z/ +ä]{1,20}") {
        let (urls, _) = urls();
        let url = urls.sign(&bucket(), &key, &presign(Get, 60, None)).unwrap();
        let query = url.split_once('?').unwrap().1;
        let path_key = if query.starts_with("key=") { KEY_IN_QUERY } else { &key };
        // Small letters are never part of an escape, which is written in capitals.
        let escape = |char: char| match char.is_ascii_lowercase() {
            true => format!("%{:02x}", u32::from(char)),
            false => char.to_string(),
        };
        let query: String = query.chars().map(escape).collect();
        prop_assert_eq!(urls.verify(Get, &bucket(), path_key, &query, None).unwrap(), key);
    }

    #[test]
    fn a_change_of_any_character_is_refused(
        key in "[a-zA-Z0-9./ ä-]{1,12}",
        at in any::<prop::sample::Index>(),
        with in "[!-~]",
    ) {
        let (urls, _) = urls();
        let put = presign(Put, 60, Some("text/plain"));
        let url = urls.sign(&bucket(), &key, &put).unwrap();
        let start = "https://example.com/api/objects/".len();
        let at = start + at.index(url.len() - start);
        // As clients send it: they take a backslash in a path for a slash.
        let altered = Url::parse(&format!("{}{with}{}", &url[..at], &url[at + 1..])).unwrap().to_string();
        // Hex digits of an escape mean the same in either case.
        let same = altered.eq_ignore_ascii_case(&url) && url[..at].ends_with(['%', '2']);
        if altered != url && !same {
            let followed = follow(&urls, Put, &altered, Some("text/plain"));
            prop_assert!(followed.is_err(), "{} became {}", url, altered);
        }
    }
}
