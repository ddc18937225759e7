//! The backends of this build. Nothing else in the runtime names one.

use tandem_engine_quickjs::QuickJsFactory;
use tandem_store_object::{LocalFactory, MemoryFactory};
use tandem_store_sqlite::SqliteFactory;

use crate::registry::Registry;

/// Every backend that a configuration may name; the first of a port is its default.
pub fn registry() -> Registry {
    let mut registry = Registry::empty();
    registry.engines.add_engine::<QuickJsFactory>();
    #[cfg(feature = "v8")]
    registry.engines.add_engine::<tandem_engine_v8::V8Factory>();
    #[cfg(not(feature = "v8"))]
    registry.engines.left_out("v8", "v8");
    registry.functions.add::<SqliteFactory>();
    #[cfg(feature = "postgres")]
    registry.functions.add::<tandem_store_postgres::PostgresFactory>();
    #[cfg(not(feature = "postgres"))]
    registry.functions.left_out("postgres", "postgres");
    #[cfg(feature = "mongo")]
    registry.functions.add::<tandem_store_mongo::MongoFactory>();
    #[cfg(not(feature = "mongo"))]
    registry.functions.left_out("mongo", "mongo");
    registry.documents.add::<SqliteFactory>();
    #[cfg(feature = "postgres")]
    registry.documents.add::<tandem_store_postgres::PostgresFactory>();
    #[cfg(not(feature = "postgres"))]
    registry.documents.left_out("postgres", "postgres");
    #[cfg(feature = "mongo")]
    registry.documents.add::<tandem_store_mongo::MongoFactory>();
    #[cfg(not(feature = "mongo"))]
    registry.documents.left_out("mongo", "mongo");
    registry.blobs.add::<LocalFactory>();
    registry.blobs.add::<MemoryFactory>();
    #[cfg(feature = "s3")]
    registry.blobs.add::<tandem_store_s3::S3Factory>();
    #[cfg(not(feature = "s3"))]
    registry.blobs.left_out("s3", "s3");
    #[cfg(feature = "gcs")]
    registry.blobs.add::<tandem_store_object::GcsFactory>();
    #[cfg(not(feature = "gcs"))]
    registry.blobs.left_out("gcs", "gcs");
    #[cfg(feature = "azure")]
    registry.blobs.add::<tandem_store_object::AzureFactory>();
    #[cfg(not(feature = "azure"))]
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
