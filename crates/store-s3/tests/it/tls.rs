//! A server whose certificate a private authority signed.

use std::sync::Arc;

use tandem_contract::{Bucket, ErrorKind};
use tandem_store_suite::certificates::Certificates;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::servers;

/// Puts TLS in front of the server at `address`; gives the port, and the authority's certificate.
async fn in_front_of(address: String) -> (u16, String) {
    let Certificates { authority, server, key } = Certificates::new();
    let certificate = CertificateDer::from_pem_slice(server.as_bytes()).unwrap();
    let private = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, address) = (acceptor.clone(), address.clone());
            tokio::spawn(async move {
                // A client that does not trust the certificate hangs up.
                let Ok(mut client) = acceptor.accept(stream).await else { return };
                let mut server = TcpStream::connect(address).await.unwrap();
                let _ = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (port, authority)
}

#[tokio::test]
async fn a_private_authority_is_trusted_where_it_is_configured() {
    for server in servers::all() {
        let (port, authority) = in_front_of(server.endpoint.replace("http://", "")).await;
        let file = std::env::temp_dir().join(format!("tandem-ca-{}-{port}.pem", std::process::id()));
        std::fs::write(&file, authority).unwrap();
        let mut settings = server.settings();
        settings["endpoint"] = format!("https://localhost:{port}").into();
        let refused = servers::open(settings.clone()).await.map(drop).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::StoreUnavailable, "{refused}");
        assert!(refused.detail().unwrap().to_lowercase().contains("certificate"), "{refused}");
        settings["ca_file"] = file.display().to_string().into();
        let store = servers::open(settings.clone()).await.unwrap();
        store.ping(&Bucket::new("test").unwrap()).await.unwrap();
        settings["ca_file"] = "/nowhere/ca.pem".into();
        let refused = servers::open(settings).await.map(drop).unwrap_err();
        assert!(refused.message().contains("storage.s3.ca_file"), "{refused}");
        std::fs::remove_file(file).unwrap();
    }
}
