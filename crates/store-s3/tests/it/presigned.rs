//! Presigned URLs, used by a plain HTTP client on real servers.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::{Client, ClientBuilder, Method};
use serde_json::Value;
use tandem_contract::{BlobBody, BlobStore, Bucket, Presign, PresignMethod, PutOptions};

use crate::behavior::named;
use crate::members;
use crate::servers::{self, Server};

const CONTENT_TYPE: &str = "image/png";

struct Signing {
    store: Arc<dyn BlobStore>,
    bucket: Bucket,
    client: Client,
}

impl Signing {
    async fn on(server: &Server) -> Self {
        Self::with(server.settings(), Client::builder()).await
    }

    async fn with(settings: Value, client: ClientBuilder) -> Self {
        let store = servers::open(settings).await.unwrap();
        let bucket = Bucket::new("presigned").unwrap();
        put(&store, &bucket, "there", "there").await;
        // Refused when it was done before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { store, bucket, client: client.build().unwrap() }
    }

    async fn url(
        &self,
        method: PresignMethod,
        key: &str,
        content_type: Option<&str>,
        seconds: u64,
    ) -> String {
        let content_type = content_type.map(str::to_owned);
        let presign = Presign { method, expires_in: Duration::from_secs(seconds), content_type };
        self.store.presign(&self.bucket, key, &presign).await.unwrap().unwrap()
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        content_type: Option<&str>,
        body: &'static str,
    ) -> (u16, String) {
        let mut request = self.client.request(method, url).body(body);
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

async fn put(store: &Arc<dyn BlobStore>, bucket: &Bucket, key: &str, text: &str) {
    let body = BlobBody::Bytes(Bytes::copy_from_slice(text.as_bytes()));
    store.put(bucket, key, body, PutOptions::default()).await.unwrap();
}

#[tokio::test]
async fn a_plain_client_writes_and_reads_any_key() {
    for server in servers::all() {
        let signing = Signing::on(&server).await;
        for key in [
            "a b+c%41#d?e&f=g",
            "ü/日本/🦀",
            "/lead",
            "trail/",
            "a//b",
            "..",
            "x/../../y",
            "back\\slash",
            "'\"<>;:@$,!*()",
            " ",
        ] {
            let url = signing.url(PresignMethod::Put, key, Some(CONTENT_TYPE), 60).await;
            let written = signing.send(Method::PUT, &url, Some(CONTENT_TYPE), "content").await;
            assert_eq!(written.0, 200, "{} {key:?}: {}", server.name, written.1);
            let meta = signing.store.head(&signing.bucket, key).await.unwrap().unwrap();
            assert_eq!(
                (meta.size, meta.content_type.as_deref()),
                (7, Some(CONTENT_TYPE)),
                "{} {key:?}",
                server.name
            );
            let url = signing.url(PresignMethod::Get, key, None, 60).await;
            assert_eq!(
                signing.send(Method::GET, &url, None, "").await,
                (200, "content".to_owned()),
                "{} {key:?}",
                server.name
            );
            signing.store.delete(&signing.bucket, key).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_not_signed_is_refused() {
    for server in servers::all() {
        let signing = Signing::on(&server).await;
        let name = &server.name;
        let get = signing.url(PresignMethod::Get, "there", None, 60).await;
        assert_eq!(signing.send(Method::GET, &get, None, "").await.0, 200, "{name}");
        for method in [Method::PUT, Method::DELETE, Method::POST] {
            assert_refused(name, signing.send(method, &get, None, "x").await);
        }
        // Any part of it.
        for (from, to) in [
            ("/there", "/other"),
            ("/presigned/", "/test/"),
            ("X-Amz-Expires=60", "X-Amz-Expires=6000"),
            ("X-Amz-SignedHeaders=host", "X-Amz-SignedHeaders=host%3Bx"),
            ("X-Amz-Signature=", "X-Amz-Signature=0"),
            ("X-Amz-Date=20", "X-Amz-Date=21"),
            ("us-east-1", "us-west-1"),
            ("X-Amz-Credential=", "X-Amz-Credential=x"),
        ] {
            let altered = get.replacen(from, to, 1);
            assert_ne!(altered, get, "{from} is in {get}");
            assert_refused(name, signing.send(Method::GET, &altered, None, "").await);
        }
        let put = signing.url(PresignMethod::Put, "new", Some(CONTENT_TYPE), 60).await;
        for content_type in [None, Some("text/html"), Some("image/png; charset=utf-8")] {
            assert_refused(name, signing.send(Method::PUT, &put, content_type, "x").await);
        }
        assert_refused(name, signing.send(Method::GET, &put, Some(CONTENT_TYPE), "").await);
        assert!(signing.store.head(&signing.bucket, "new").await.unwrap().is_none(), "{name}");
        let brief = signing.url(PresignMethod::Get, "there", None, 1).await;
        tokio::time::sleep(Duration::from_millis(2500)).await;
        assert_refused(name, signing.send(Method::GET, &brief, None, "").await);
    }
}

fn assert_refused(server: &str, (status, text): (u16, String)) {
    assert!(matches!(status, 400 | 401 | 403 | 405), "{server}: {status} {text}");
}

#[tokio::test]
async fn urls_are_for_the_address_that_clients_see() {
    for server in servers::all() {
        let mut settings = server.settings();
        settings["public_endpoint"] = "https://objects.example.com".into();
        let store = servers::open(settings).await.unwrap();
        let presign =
            Presign { method: PresignMethod::Get, expires_in: Duration::from_secs(9), content_type: None };
        let url = store.presign(&Bucket::new("photos").unwrap(), "a b", &presign).await.unwrap().unwrap();
        assert!(url.starts_with("https://objects.example.com/photos/a%20b?"), "{url}");
        assert!(!url.contains(&server.secret_key));
    }
}

#[tokio::test]
async fn the_bucket_may_be_in_the_name_of_the_host() {
    let domains = members::of_servers("domain");
    for server in servers::all() {
        let domain = domains.iter().find(|(name, _)| *name == server.name);
        assert!(domain.is_some(), "TANDEM_TEST_S3 names no `domain` of {}", server.name);
        let domain = &domain.unwrap().1;
        let address: SocketAddr = server.endpoint.strip_prefix("http://").unwrap().parse().unwrap();
        let (name, host) = (&server.name, format!("presigned.{}", domain));
        let mut settings = server.settings();
        settings["path_style"] = false.into();
        settings["public_endpoint"] = format!("http://{}:{}", domain, address.port()).into();
        // Nobody but the test knows where these hosts are.
        let other = format!("test.{}", domain);
        let client = Client::builder().resolve(&host, address).resolve(&other, address);
        let signing = Signing::with(settings, client).await;
        let put = signing.url(PresignMethod::Put, "a b+c/d", Some(CONTENT_TYPE), 60).await;
        assert!(put.starts_with(&format!("http://{host}:{}/a%20b%2Bc/d?", address.port())), "{put}");
        let written = signing.send(Method::PUT, &put, Some(CONTENT_TYPE), "content").await;
        assert_eq!(written.0, 200, "{name}: {}", written.1);
        assert_eq!(signing.store.head(&signing.bucket, "a b+c/d").await.unwrap().unwrap().size, 7, "{name}");
        let get = signing.url(PresignMethod::Get, "a b+c/d", None, 60).await;
        assert_eq!(signing.send(Method::GET, &get, None, "").await, (200, "content".to_owned()), "{name}");
        let altered = get.replacen(&host, &other, 1);
        assert_refused(name, signing.send(Method::GET, &altered, None, "").await);
    }
}

#[tokio::test]
async fn a_key_that_clients_would_rewrite_is_not_in_a_path() {
    let Some(server) = named("seaweedfs") else { return };
    let mut settings = server.settings();
    settings["key_names"] = "exact".into();
    settings["path_style"] = false.into();
    let store = servers::open(settings).await.unwrap();
    let presign =
        Presign { method: PresignMethod::Get, expires_in: Duration::from_secs(9), content_type: None };
    let bucket = Bucket::new("photos").unwrap();
    // The server signs a URL of its own.
    assert_eq!(store.presign(&bucket, "a/../b", &presign).await.unwrap(), None);
    let url = store.presign(&bucket, "a//b", &presign).await.unwrap().unwrap();
    assert!(url.starts_with("http://photos.127.0.0.1") || url.contains("/photos/a//b?"), "{url}");
}
