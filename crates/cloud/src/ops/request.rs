//! What came with the call, as `ctx` shows it. Each part is read once, when the function first
//! touches it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};
use tandem_contract::{Error, ErrorKind, HostArgs, HostValue, Invocation, InvocationInput, Payload, Result};

use super::Op;
use crate::cloud::Cloud;

pub(super) const OPS: &[Op] = &[
    Op::sync("request.whole", whole),
    Op::sync("request.head", head),
    Op::sync("request.body", body),
    Op::sync("request.query", query),
    Op::sync("request.headers", headers),
    Op::sync("request.files", files),
    Op::sync("request.file", file),
];

/// Bodies up to here come with the head: fetching one apart costs as much as parsing it.
const SMALL_BODY: usize = 1024;

/// [`whole_text`], or `undefined`.
fn whole(_: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    Ok(whole_text(&invocation.input)?.map_or(HostValue::Undefined, |text| HostValue::Json(text.into())))
}

/// The whole `ctx` as far as JSON has it, when there is no query and no file and the body is small;
/// `body` is then `null` if there is none, and nothing else is `null`. A call from another
/// function, whose path is empty, has no headers: `headers` is empty and `cloud` `null`, for the
/// script to fill in.
pub(crate) fn whole_text(input: &InvocationInput) -> Result<Option<Vec<u8>>> {
    let body = match &input.payload {
        Payload::Json(text) if text.len() <= SMALL_BODY && text.trim_ascii() != b"null" => &text[..],
        Payload::Empty => b"null",
        _ => return Ok(None),
    };
    if !input.head.query.is_empty() {
        return Ok(None);
    }
    let mut text = Vec::with_capacity(256 + body.len());
    write_head(&mut text, input)?;
    text.extend_from_slice(br#","body":"#);
    text.extend_from_slice(body);
    text.extend_from_slice(br#","query":{},"files":[]"#);
    if input.head.path.is_empty() {
        text.extend_from_slice(br#","headers":{},"cloud":null"#);
    }
    text.push(b'}');
    Ok(Some(text))
}

/// `{method, path, requestId}`.
fn head(_: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    let mut text = Vec::with_capacity(256);
    write_head(&mut text, &invocation.input)?;
    text.push(b'}');
    Ok(HostValue::Json(text.into()))
}

/// An object without its end.
fn write_head(text: &mut Vec<u8>, input: &InvocationInput) -> Result<()> {
    for (key, value) in [
        (&br#"{"method":"#[..], &*input.head.method),
        (br#","path":"#, &input.head.path),
        (br#","requestId":"#, &input.request_id),
    ] {
        text.extend_from_slice(key);
        serde_json::to_writer(&mut *text, value).map_err(Error::internal)?;
    }
    Ok(())
}

fn body(_: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    Ok(match &invocation.input.payload {
        Payload::Empty => HostValue::Undefined,
        Payload::Json(text) => HostValue::Json(text.clone()),
        Payload::Form(pairs) | Payload::Multipart { fields: pairs, .. } => return json(&Grouped::of(pairs)),
        Payload::Text(text) => HostValue::Text(text.clone()),
        Payload::Bytes(bytes) => HostValue::Bytes(bytes.clone()),
    })
}

fn query(_: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    let query = &invocation.input.head.query;
    if query.is_empty() {
        return Ok(HostValue::Json(Bytes::from_static(b"{}")));
    }
    let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    json(&Grouped::of(&pairs))
}

/// A repeated header is one string, joined as RFC 9110 §5.3 allows (cookies as RFC 6265 §4.2 has it).
fn headers(_: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    let mut joined: Vec<(&str, Cow<'_, str>)> = Vec::with_capacity(invocation.input.head.headers.len());
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (name, value) in &invocation.input.head.headers {
        match places.get(name.as_str()) {
            Some(place) => {
                let separator = if name == "cookie" { "; " } else { ", " };
                let whole = joined[*place].1.to_mut();
                whole.push_str(separator);
                whole.push_str(value);
            }
            None => {
                places.insert(name, joined.len());
                joined.push((name, Cow::Borrowed(value)));
            }
        }
    }
    json(&Object(&joined))
}

/// `[{field, name, type, size}]`.
fn files(_: &Cloud, invocation: &Arc<Invocation>, _: HostArgs) -> Result<HostValue> {
    #[derive(serde::Serialize)]
    struct File<'a> {
        field: &'a str,
        name: &'a str,
        r#type: &'a str,
        size: usize,
    }
    let files: Vec<_> = match &invocation.input.payload {
        Payload::Multipart { files, .. } => files
            .iter()
            .map(|file| File {
                field: &file.field,
                name: &file.name,
                r#type: &file.content_type,
                size: file.bytes.len(),
            })
            .collect(),
        _ => Vec::new(),
    };
    json(&files)
}

/// The content of the file whose place is the argument.
fn file(_: &Cloud, invocation: &Arc<Invocation>, args: HostArgs) -> Result<HostValue> {
    let files = match &invocation.input.payload {
        Payload::Multipart { files, .. } => files.as_slice(),
        _ => &[],
    };
    let file = args.text.parse::<usize>().ok().and_then(|index| files.get(index));
    file.map(|file| HostValue::Bytes(file.bytes.clone()))
        .ok_or_else(|| Error::new(ErrorKind::InvalidArgument, "The request has no such file"))
}

fn json(value: &impl Serialize) -> Result<HostValue> {
    serde_json::to_vec(value).map(|text| HostValue::Json(text.into())).map_err(Error::internal)
}

/// Pairs as an object: a repeated name makes an array, at the place of the first.
struct Grouped<'a>(Vec<(&'a str, Vec<&'a str>)>);

impl<'a> Grouped<'a> {
    fn of<S: AsRef<str>>(pairs: &'a [(S, S)]) -> Self {
        let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for (name, value) in pairs {
            let place = *places.entry(name.as_ref()).or_insert_with(|| {
                groups.push((name.as_ref(), Vec::new()));
                groups.len() - 1
            });
            groups[place].1.push(value.as_ref());
        }
        Self(groups)
    }
}

impl Serialize for Grouped<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, values) in &self.0 {
            match values.as_slice() {
                [value] => map.serialize_entry(name, value)?,
                values => map.serialize_entry(name, values)?,
            }
        }
        map.end()
    }
}

struct Object<'a>(&'a [(&'a str, Cow<'a, str>)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}
