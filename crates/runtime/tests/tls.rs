//! HTTPS: the server's own, with a certificate that is replaced, and that of hosts that functions fetch from.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const TOKEN: &str = "tls-token";

/// Whoever vouches for the server.
struct Authority {
    params: CertificateParams,
    key: KeyPair,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { params, key, pem }
    }

    /// Writes a certificate for `localhost` and its key.
    fn write(&self, folder: &Path) {
        let key = KeyPair::generate().unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &issuer).unwrap();
        std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        std::fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
    }

    fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        // A session that is taken up again shows the certificate that it began with.
        config.resumption = rustls::client::Resumption::disabled();
        TlsConnector::from(Arc::new(config))
    }
}

struct Server {
    child: Child,
    port: u16,
    folder: tempfile::TempDir,
}

impl Server {
    fn start(authority: &Authority) -> Self {
        let folder = tempfile::tempdir().unwrap();
        authority.write(folder.path());
        std::fs::write(folder.path().join("ca.pem"), &authority.pem).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_tandem"))
            .args([
                "serve",
                "--set",
                &format!("server.listen=127.0.0.1:{port}"),
                "--set",
                "fetch.allow=[\"localhost\"]",
            ])
            .args(["--set", "server.tls.cert=cert.pem", "--set", "server.tls.key=key.pem"])
            .env_clear()
            .env("DEVELOP_TOKEN", TOKEN)
            .env("SSL_CERT_FILE", folder.path().join("ca.pem"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Self { child, port, folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "{}", server.printed());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn printed(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The answer and the certificate that was shown.
    async fn request(&self, connector: &TlsConnector, text: String) -> std::io::Result<(String, Vec<u8>)> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await?;
        let shown = stream.get_ref().1.peer_certificates().unwrap()[0].to_vec();
        stream.write_all(text.as_bytes()).await?;
        let mut answer = Vec::new();
        // The server may close without a last word.
        let _ = stream.read_to_end(&mut answer).await;
        Ok((String::from_utf8_lossy(&answer).into_owned(), shown))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A verb of the command line, on the server's address as its users write it.
fn verb(server: &Server, trusted: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tandem"))
        .args(args)
        .env_clear()
        .env("SSL_CERT_FILE", trusted)
        .env("TANDEM_URL", format!("https://localhost:{}", server.port))
        .env("TANDEM_TOKEN", TOKEN)
        .current_dir(server.folder.path())
        .output()
        .unwrap()
}

#[test]
fn verbs_speak_https_with_those_they_trust() {
    let server = Server::start(&Authority::new());
    let folder = server.folder.path();
    std::fs::write(folder.join("twice.js"), "export default (ctx) => ctx.body * 2").unwrap();
    let trusted = folder.join("ca.pem");
    let deployed = verb(&server, &trusted, &["deploy", "twice.js"]);
    assert!(deployed.status.success(), "{deployed:?}\n{}", server.printed());
    let invoked = verb(&server, &trusted, &["invoke", "twice", "--data", "21"]);
    assert_eq!(String::from_utf8_lossy(&invoked.stdout).trim(), "42", "{invoked:?}");

    let other = folder.join("other.pem");
    std::fs::write(&other, Authority::new().pem).unwrap();
    let refused = verb(&server, &other, &["list"]);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(3), "{said}");
    assert!(said.contains("certificate") && said.contains("SSL_CERT_FILE"), "{said}");
}

fn request(method: &str, path: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nx-develop-token: {TOKEN}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn https_is_served_and_fetched_and_its_certificate_is_replaced() {
    let authority = Authority::new();
    let (server, connector) = (Server::start(&authority), authority.connector());
    let source = format!(
        "import cloud from '@tandem/cloud'; export default async () => {{ \
         const r = await fetch('https://localhost:{port}/healthz'); \
         const url = await cloud.storage.bucket().getUploadUrl('a'); \
         return [r.status, await r.text(), url.startsWith('https://127.0.0.1:{port}/')] }}",
        port = server.port
    );
    let body = serde_json::json!({ "source": source }).to_string();
    let (published, first) = server.request(&connector, request("PUT", "/functions/f", &body)).await.unwrap();
    assert!(published.starts_with("HTTP/1.1 201 "), "{published}");
    let (fetched, _) = server.request(&connector, request("POST", "/invoke/f", "1")).await.unwrap();
    assert!(fetched.ends_with("[200,\"ok\\n\",true]"), "{fetched}\n{}", server.printed());

    // A client that trusts somebody else, and one that does not speak TLS at all.
    assert!(server.request(&Authority::new().connector(), request("GET", "/healthz", "")).await.is_err());
    let mut plain = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    plain.write_all(request("GET", "/healthz", "").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");

    // Files that cannot be used change nothing; those that can are in use soon, asked for or not.
    std::fs::write(server.folder.path().join("cert.pem"), "nonsense").unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(server.child.id()).unwrap()).unwrap();
    let hang_up = || rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    hang_up();
    let deadline = Instant::now() + Duration::from_secs(30);
    while !server.printed().contains("the certificate in use stays") {
        assert!(Instant::now() < deadline, "{}", server.printed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let shown = async || server.request(&connector, request("GET", "/healthz", "")).await.unwrap().1;
    assert_eq!(shown().await, first);
    authority.write(server.folder.path());
    hang_up();
    while shown().await == first {
        assert!(Instant::now() < deadline, "{}", server.printed());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let second = shown().await;
    authority.write(server.folder.path());
    let deadline = Instant::now() + Duration::from_secs(30);
    while shown().await == second {
        assert!(Instant::now() < deadline, "without SIGHUP: {}", server.printed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
