use tandem_contract::{Error, ErrorKind};

/// An argument that is not what the language takes.
pub(crate) fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidArgument, message)
}

/// A part of MongoDB's language that is left out here, by its name.
pub(crate) fn not_supported(feature: impl AsRef<str>) -> Error {
    Error::new(ErrorKind::NotSupported, format!("NOT_SUPPORTED: {}", feature.as_ref()))
}
