//! A server that asks for a password (SCRAM) and speaks TLS with a certificate of a private authority.

use bson::doc;
use tandem_contract::{DocumentStore, ErrorKind, Expected, FunctionStore};
use tandem_store_postgres::PostgresDocumentStore;
use tandem_store_suite::certificates::Certificates;
use tandem_store_suite::common::target;

use crate::common::{Schema, context, draft};
use crate::server::Server;

const PASSWORD: &str = "swordfish";

#[tokio::test]
async fn a_password_over_tls_of_a_private_authority() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::new();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let stranger = file("stranger.pem", &Certificates::new().authority);
    let authority = file("authority.pem", &certificates.authority);
    let Some(server) = Server::start_secured(PASSWORD, &certificates) else { return };
    let url = |password: &str, options: &str| {
        format!("postgres://postgres:{password}@127.0.0.1:{}/postgres?{options}", server.port())
    };
    let trusting = format!("sslmode=verify-full&sslrootcert={authority}");

    let schema = Schema::on(url(PASSWORD, &trusting));
    let (functions, documents) = (schema.functions().await, schema.store().await);
    functions.put(draft("f", "one"), Expected::Any).await.unwrap();
    assert_eq!(functions.get("f").await.unwrap().unwrap().revision, 1);
    documents.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();

    for (what, url) in [
        ("a wrong password", url("marlin", &trusting)),
        ("no TLS", url(PASSWORD, "sslmode=disable")),
        ("an unknown authority", url(PASSWORD, &format!("sslmode=verify-full&sslrootcert={stranger}"))),
        ("the authorities of the system", url(PASSWORD, "sslmode=verify-full")),
    ] {
        let refused =
            PostgresDocumentStore::open(Schema::on(url).config(), &context()).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StoreUnavailable, "{what}: {refused}");
        for secret in [PASSWORD, "marlin"] {
            assert!(!format!("{refused} {refused:?}").contains(secret), "{what}: {refused:?}");
        }
    }
}
