use bytes::Bytes;
use futures_util::stream;
use tandem_contract::{FilePart, Payload, Result};

use super::body::invalid;

/// Parts of a body. Each costs a few allocations, however small it is.
const MAX_PARTS: usize = 1000;

/// Fields and files of `multipart/form-data`.
///
/// # Errors
/// `InvalidBody` for a missing boundary, a malformed part, a part without a name, a field that is
/// not UTF-8, or too many parts.
pub(super) async fn parse(content_type: &str, body: Bytes) -> Result<Payload> {
    let boundary = multer::parse_boundary(content_type)
        .map_err(|error| invalid(format!("The multipart content type cannot be read: {error}")))?;
    let pieces = stream::once(std::future::ready(Ok::<_, std::convert::Infallible>(body)));
    let mut parts = multer::Multipart::new(pieces, boundary);
    let (mut fields, mut files) = (Vec::new(), Vec::new());
    while let Some(part) = parts.next_field().await.map_err(malformed)? {
        if fields.len() + files.len() == MAX_PARTS {
            return Err(invalid(format!("The multipart body has more than {MAX_PARTS} parts")));
        }
        let name = part.name().map(str::to_owned);
        let name = name.ok_or_else(|| invalid("A part of the multipart body has no name"))?;
        match part.file_name().map(str::to_owned) {
            Some(file) => {
                let content_type = part.content_type().map(ToString::to_string);
                files.push(FilePart {
                    field: name,
                    name: file,
                    content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
                    bytes: part.bytes().await.map_err(malformed)?,
                });
            }
            None => {
                let bytes = part.bytes().await.map_err(malformed)?;
                let text = String::from_utf8(bytes.into())
                    .map_err(|_| invalid(format!("Field {name:?} of the multipart body is not UTF-8")))?;
                fields.push((name, text));
            }
        }
    }
    Ok(Payload::Multipart { fields, files })
}

fn malformed(error: multer::Error) -> tandem_contract::Error {
    invalid(format!("The multipart body is malformed: {error}"))
}
