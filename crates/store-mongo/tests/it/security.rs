//! A server that asks for a password (SCRAM) and speaks TLS with a certificate of a private authority.

use bson::doc;
use tandem_contract::settings::Secret;
use tandem_contract::{DocumentStore, ErrorKind, Expected, FunctionStore};
use tandem_store_mongo::{MongoConfig, MongoDocumentStore};
use tandem_store_suite::certificates::Certificates;

use crate::common::{Scratch, draft, ids, target};
use crate::mongod::Mongod;

const PASSWORD: &str = "swordfish";

#[tokio::test]
async fn a_password_over_tls_of_a_private_authority() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let Certificates { authority, server, key } = Certificates::new();
    let stranger = file("stranger.pem", &Certificates::new().authority);
    let authority = file("authority.pem", &authority);
    let both = file("server.pem", &(server + &key));
    let options = ["--auth", "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", &both, "--tlsCAFile"];
    let options = options.into_iter().chain([&*authority, "--tlsAllowConnectionsWithoutCertificates"]);
    let trusting = format!("&tls=true&tlsCAFile={authority}");
    let options = options.map(str::to_owned).collect();
    let Some(server) = Mongod::start_with(false, options, trusting.clone()).await else { return };
    // Who comes from the same machine may make the first user.
    let user = doc! { "createUser": "user", "pwd": PASSWORD, "roles": ["root"] };
    server.client().await.database("admin").run_command(user).await.unwrap();

    let url = |user: &str, options: &str| {
        let wait = "serverSelectionTimeoutMS=1500";
        format!("mongodb://{user}127.0.0.1:{}/?authSource=admin&{wait}{options}", server.port())
    };
    let known = format!("user:{PASSWORD}@");
    let scratch = Scratch::at(&url(&known, &trusting)).await;
    let (functions, documents) = (scratch.functions().await, scratch.documents().await);
    functions.put(draft("f", "one"), Expected::Any).await.unwrap();
    assert_eq!(functions.get("f").await.unwrap().unwrap().revision, 1);
    documents.insert(&target("c"), vec![doc! { "_id": 1 }], true).await.unwrap();
    assert_eq!(ids(&documents, &target("c"), doc! {}).await, [1.into()]);

    for (what, url) in [
        ("a wrong password", url("user:marlin@", &trusting)),
        ("no TLS", url(&known, "&tls=false")),
        ("an unknown authority", url(&known, &format!("&tls=true&tlsCAFile={stranger}"))),
        ("the authorities of the system", url(&known, "&tls=true")),
    ] {
        let config = MongoConfig { url: Secret::new(&*url), ..MongoConfig::default() };
        let refused = match MongoDocumentStore::open(config).await {
            Ok(store) => store.ping().await.unwrap_err(),
            Err(refused) => refused,
        };
        assert_eq!(refused.kind(), ErrorKind::StoreUnavailable, "{what}: {refused}");
        for secret in [PASSWORD, "marlin"] {
            assert!(!format!("{refused} {refused:?}").contains(secret), "{what}: {refused:?}");
        }
    }
}
