use bson::{Bson, Document};
use tandem_contract::{Error, ErrorKind, HostValue, Result};

use super::write::JsonWriter;

/// Names listed in a reply before it says instead that anything may be tagged.
const MOST_NAMES: usize = 32;

/// A reply with one value is refused past this many bytes. Documents in batches never get there;
/// MongoDB refuses `distinct` at the same size.
const LARGEST: usize = 16 << 20;

/// One value: `{"value": …, "tagged": …}`. `tagged` tells scripts where to look for tagged
/// objects: `null` nowhere, `true` anywhere, a list of names in those fields of the value.
pub(crate) fn reply(value: &Bson) -> Result<HostValue> {
    let mut reply = Writer::default();
    reply.json.raw("{\"value\":");
    match value {
        Bson::Document(document) => reply.document(document)?,
        other => {
            reply.json.value(other, 0)?;
            reply.names.anywhere |= reply.json.tagged;
        }
    }
    reply.tagged()?;
    reply.json.raw("}");
    if reply.json.text.len() > LARGEST {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("The result is larger than {LARGEST} bytes: ask for less at a time"),
        ));
    }
    Ok(HostValue::Json(reply.json.text.into()))
}

/// Some documents of a cursor: `{"value": […], "tagged": …, "cursor": …}`, where `tagged` is about
/// each document and `cursor` is the number to ask for more with, or `null`.
pub(crate) struct Batch {
    reply: Writer,
    documents: usize,
}

impl Batch {
    pub(crate) fn new() -> Self {
        let mut reply = Writer::default();
        reply.json.raw("{\"value\":[");
        Self { reply, documents: 0 }
    }

    pub(crate) fn push(&mut self, document: &Document) -> Result<()> {
        if self.documents > 0 {
            self.reply.json.raw(",");
        }
        self.documents += 1;
        self.reply.document(document)
    }

    pub(crate) const fn documents(&self) -> usize {
        self.documents
    }

    /// Bytes of text so far.
    pub(crate) const fn size(&self) -> usize {
        self.reply.json.text.len()
    }

    pub(crate) fn finish(mut self, cursor: Option<u64>) -> Result<HostValue> {
        self.reply.json.raw("]");
        self.reply.tagged()?;
        self.reply.json.raw(",\"cursor\":");
        self.reply.json.json(&cursor)?;
        self.reply.json.raw("}");
        Ok(HostValue::Json(self.reply.json.text.into()))
    }
}

#[derive(Default)]
struct Writer {
    json: JsonWriter,
    names: TaggedNames,
}

/// Which fields of a reply's documents hold something tagged.
#[derive(Default)]
struct TaggedNames {
    names: Vec<String>,
    anywhere: bool,
}

impl Writer {
    /// Writes a document field by field, to learn which ones hold something tagged.
    fn document(&mut self, document: &Document) -> Result<()> {
        self.json.raw("{");
        for (index, (name, value)) in document.iter().enumerate() {
            if index > 0 {
                self.json.raw(",");
            }
            self.json.json(name)?;
            self.json.raw(":");
            self.json.tagged = false;
            self.json.value(value, 1)?;
            if self.json.tagged {
                self.names.add(name);
            }
        }
        self.json.raw("}");
        Ok(())
    }

    fn tagged(&mut self) -> Result<()> {
        self.json.raw(",\"tagged\":");
        match &self.names {
            TaggedNames { anywhere: true, .. } => self.json.raw("true"),
            TaggedNames { names, .. } if names.is_empty() => self.json.raw("null"),
            TaggedNames { names, .. } => self.json.json(names)?,
        }
        Ok(())
    }
}

impl TaggedNames {
    fn add(&mut self, name: &str) {
        if self.anywhere || self.names.iter().any(|known| known == name) {
            return;
        }
        if self.names.len() == MOST_NAMES {
            self.anywhere = true;
        } else {
            self.names.push(name.to_owned());
        }
    }
}
