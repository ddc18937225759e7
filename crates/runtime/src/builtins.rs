//! The backends of this build. Nothing else in the runtime names one.

use tandem_engine_quickjs::QuickJsFactory;
use tandem_store_object::{LocalFactory, MemoryFactory};
use tandem_store_sqlite::SqliteFactory;

use crate::registry::Registry;

/// Every backend that a configuration may name; the first of a port is its default.
pub fn registry() -> Registry {
    let mut registry = Registry::empty();
    registry.engines.add_engine::<QuickJsFactory>();
    registry.engines.left_out("v8", "v8");
    registry.functions.add::<SqliteFactory>();
    registry.functions.left_out("postgres", "postgres");
    registry.functions.left_out("mongo", "mongo");
    registry.documents.add::<SqliteFactory>();
    registry.documents.left_out("postgres", "postgres");
    registry.documents.left_out("mongo", "mongo");
    registry.blobs.add::<LocalFactory>();
    registry.blobs.add::<MemoryFactory>();
    registry.blobs.left_out("s3", "s3");
    registry.blobs.left_out("gcs", "gcs");
    registry.blobs.left_out("azure", "azure");
    registry.variables = VARIABLES;
    registry
}

/// Variables that other tools set too, and the keys they set here.
const VARIABLES: &[(&str, &[&str])] = &[
    ("DEVELOP_TOKEN", &["server.token"]),
    ("MONGO_URL", &["functions.mongo.url", "documents.mongo.url"]),
    ("S3_ENDPOINT", &["storage.s3.endpoint"]),
    ("S3_REGION", &["storage.s3.region"]),
    ("S3_ACCESS_KEY", &["storage.s3.access_key"]),
    ("S3_SECRET_KEY", &["storage.s3.secret_key"]),
    ("S3_BUCKET", &["storage.bucket"]),
];
