//! `URL` and `URLSearchParams`. An address is answered as an array of its parts, in the order of
//! [`parts`]; what is no address is answered with `undefined`.

use std::sync::Arc;

use tandem_contract::{Error, HostArgs, HostValue, Invocation, Result};
use url::{Url, quirks};

use crate::cloud::Cloud;
use crate::ops::Op;

pub(in crate::ops) const OPS: &[Op] = &[
    Op::sync("url.parse", parse),
    Op::sync("url.resolve", resolve),
    Op::sync("url.set", set),
    Op::sync("url.parseQuery", parse_query),
    Op::sync("url.serializeQuery", serialize_query),
];

/// The text is the address.
fn parse(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    answer(Url::parse(&args.text).ok())
}

/// The text is the JSON of address and base.
fn resolve(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let (address, base): (String, String) = read(&args.text)?;
    answer(Url::parse(&base).and_then(|base| base.join(&address)).ok())
}

/// The text is the JSON of address, name of the part and the part's new value.
fn set(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let (address, part, value): (String, String, String) = read(&args.text)?;
    let url = Url::parse(&address).map_err(Error::internal)?;
    answer(with_part(url, &part, &value)?)
}

fn read<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T> {
    serde_json::from_str(text).map_err(Error::internal)
}

fn answer(url: Option<Url>) -> Result<HostValue> {
    let Some(url) = url else { return Ok(HostValue::Undefined) };
    Ok(HostValue::Json(serde_json::to_vec(&parts(&url)).map_err(Error::internal)?.into()))
}

fn parts(url: &Url) -> [String; 11] {
    [
        quirks::href(url).to_owned(),
        quirks::origin(url),
        quirks::protocol(url).to_owned(),
        quirks::username(url).to_owned(),
        quirks::password(url).to_owned(),
        quirks::host(url).to_owned(),
        quirks::hostname(url).to_owned(),
        quirks::port(url).to_owned(),
        quirks::pathname(url).to_owned(),
        quirks::search(url).to_owned(),
        quirks::hash(url).to_owned(),
    ]
}

/// `None` when the part cannot take the value.
fn with_part(mut url: Url, part: &str, value: &str) -> Result<Option<Url>> {
    let done = match part {
        "protocol" => quirks::set_protocol(&mut url, value),
        "username" => quirks::set_username(&mut url, value),
        "password" => quirks::set_password(&mut url, value),
        "host" => quirks::set_host(&mut url, value),
        "hostname" => quirks::set_hostname(&mut url, value),
        "port" => quirks::set_port(&mut url, value),
        "pathname" => {
            quirks::set_pathname(&mut url, value);
            Ok(())
        }
        "search" => {
            quirks::set_search(&mut url, value);
            Ok(())
        }
        "hash" => {
            quirks::set_hash(&mut url, value);
            Ok(())
        }
        _ => return Err(Error::internal(format!("url.set: no part is called {part}"))),
    };
    Ok(done.ok().map(|()| url))
}

/// The text is a query without its question mark; the answer an array of pairs.
fn parse_query(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let pairs: Vec<_> = form_urlencoded::parse(args.text.as_bytes()).collect();
    Ok(HostValue::Json(serde_json::to_vec(&pairs).map_err(Error::internal)?.into()))
}

/// The text is the JSON of an array of pairs.
fn serialize_query(_: &Cloud, _: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let pairs: Vec<(String, String)> = read(&args.text)?;
    Ok(HostValue::Text(form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_those_of_the_standard() {
        let url = Url::parse("HTTPS://u:p%20@EXAMPLE.com:8443/a/../b?q=1#h").unwrap();
        let expected = [
            "https://u:p%20@example.com:8443/b?q=1#h",
            "https://example.com:8443",
            "https:",
            "u",
            "p%20",
            "example.com:8443",
            "example.com",
            "8443",
            "/b",
            "?q=1",
            "#h",
        ];
        assert_eq!(parts(&url), expected);
    }

    #[test]
    fn a_part_that_cannot_be_set_leaves_no_address() {
        let set = |part, value| {
            let url = Url::parse("http://a.example:81/x?y#z").unwrap();
            with_part(url, part, value).unwrap().map(|url| url.to_string())
        };
        assert_eq!(set("port", "82").as_deref(), Some("http://a.example:82/x?y#z"));
        assert_eq!(
            set("port", "80").as_deref(),
            Some("http://a.example/x?y#z"),
            "the scheme's own is left out"
        );
        assert_eq!(set("port", "x"), None);
        assert_eq!(set("host", "b.example:90").as_deref(), Some("http://b.example:90/x?y#z"));
        assert_eq!(set("search", "").as_deref(), Some("http://a.example:81/x#z"));
        assert_eq!(set("pathname", "a b").as_deref(), Some("http://a.example:81/a%20b?y#z"));
        assert!(with_part(Url::parse("http://a.example").unwrap(), "origin", "x").is_err());
    }
}
