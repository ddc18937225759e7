use bson::Document;
use tandem_contract::{Error, ErrorKind, Result};

/// The largest document in bytes, as in MongoDB
/// (<https://www.mongodb.com/docs/manual/reference/limits/#bson-documents>).
pub const MAX_DOCUMENT: usize = 16 << 20;

/// A document as it is stored.
///
/// # Errors
/// `InvalidArgument` for one that is too large or cannot be written as BSON.
pub fn encode_body(document: &Document) -> Result<Vec<u8>> {
    let body = document.to_vec().map_err(|error| {
        Error::new(ErrorKind::InvalidArgument, "The document cannot be stored as BSON").with_detail(error)
    })?;
    if body.len() > MAX_DOCUMENT {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("The document has {} bytes; a document may have {MAX_DOCUMENT}", body.len()),
        ));
    }
    Ok(body)
}

/// Reads what [`encode_body`] wrote.
///
/// # Errors
/// `Internal` for anything else.
pub fn decode_body(body: &[u8]) -> Result<Document> {
    Document::from_reader(body)
        .map_err(|error| Error::internal(format!("a stored document is not BSON: {error}")))
}
