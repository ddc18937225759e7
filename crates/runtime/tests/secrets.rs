//! Secrets are planted wherever the schema says that a setting is one, and looked for in everything
//! that the binary prints and answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tandem_runtime::builtins;
use tandem_runtime::config::json_schema;

/// In every secret; nothing else has it.
const PLANTED: &str = "sw0rdf1sh";

/// Paths of the settings that the schema marks as secret.
fn secrets(schema: &Value, path: &str, found: &mut Vec<String>) {
    if schema["writeOnly"] == true {
        found.push(path.to_owned());
    }
    for choice in ["anyOf", "oneOf", "allOf"] {
        schema[choice].as_array().into_iter().flatten().for_each(|choice| secrets(choice, path, found));
    }
    for (key, below) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        secrets(below, &path, found);
    }
}

/// A secret as the setting would hold one.
fn planted(path: &str) -> String {
    match path.rsplit('.').next().unwrap_or_default() {
        "url" if path.contains("postgres") => format!("postgres://user:{PLANTED}@127.0.0.1:1/db"),
        "url" => format!("mongodb://user:{PLANTED}@127.0.0.1:1/?serverSelectionTimeoutMS=500"),
        _ => format!("{PLANTED}+/="),
    }
}

/// For each backend with secrets, and for none: the settings that select it and hold them.
fn settings() -> Vec<BTreeMap<String, String>> {
    let mut found = Vec::new();
    secrets(&json_schema(&builtins::registry()), "", &mut found);
    assert!(found.contains(&"server.token".to_owned()), "{found:?}");
    let mut sets = BTreeMap::<String, BTreeMap<String, String>>::new();
    sets.entry(String::new()).or_default();
    for path in &found {
        let parts: Vec<&str> = path.split('.').collect();
        if let [section, backend, _, ..] = parts.as_slice()
            && ["functions", "documents", "storage"].contains(section)
        {
            let set = sets.entry(format!("{section}.{backend}")).or_default();
            set.insert(format!("{section}.backend"), (*backend).to_owned());
            set.insert(path.clone(), planted(path));
        }
    }
    sets.into_values()
        .map(|mut set| {
            set.insert("server.token".to_owned(), planted("server.token"));
            set.insert("env.vars.API_KEY".to_owned(), PLANTED.to_owned());
            set
        })
        .collect()
}

fn command(verb: &[&str], set: &BTreeMap<String, String>, folder: &std::path::Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.args(verb).env_clear().current_dir(folder).env("TANDEM_TELEMETRY__LEVEL", "trace");
    for (key, value) in set {
        command.env(format!("TANDEM_{}", key.to_uppercase().replace('.', "__")), value);
    }
    command
}

fn check(what: &str, text: &str) {
    for line in text.lines() {
        assert!(!line.contains(PLANTED), "{what} shows a secret: {line}");
    }
}

fn check_output(what: &str, output: &Output) {
    check(what, &String::from_utf8_lossy(&output.stdout));
    check(what, &String::from_utf8_lossy(&output.stderr));
}

#[test]
fn no_configuration_shows_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    for set in settings() {
        check_output("config", &command(&["config"], &set, folder.path()).output().unwrap());
        // Each secret where something of another type is expected, and with a fault of its own.
        for key in set.keys().filter(|key| !key.ends_with("backend")) {
            let mut broken = set.clone();
            broken.insert(key.clone(), format!("{PLANTED} with a space\u{1}"));
            check_output("config", &command(&["config"], &broken, folder.path()).output().unwrap());
            let file = folder.path().join("broken.toml");
            let (section, name) = key.rsplit_once('.').unwrap();
            for text in [
                format!("[{section}]\n{name} = [\"{PLANTED}\"]\n"),
                format!("[{section}]\n{name}x = \"{PLANTED}\"\n"),
                format!("[{section}]\n{name} = \"{PLANTED}\n"),
            ] {
                std::fs::write(&file, &text).unwrap();
                let output =
                    command(&["config", "--config", "broken.toml"], &BTreeMap::new(), folder.path()).output();
                check_output(&text.replace(PLANTED, "…"), &output.unwrap());
            }
        }
    }
}

#[test]
fn no_start_that_fails_shows_a_secret() {
    for set in settings() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log).unwrap();
        let mut command = command(&["serve", "--set", "server.listen=127.0.0.1:0"], &set, folder.path());
        let mut child =
            command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(8);
        while child.try_wait().unwrap().is_none() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
            if std::fs::read_to_string(&log).unwrap_or_default().contains("ready") {
                break;
            }
        }
        let _ = child.kill();
        child.wait().unwrap();
        check("serve", &std::fs::read_to_string(&log).unwrap());
    }
}

fn send(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn no_request_leaves_a_secret_behind() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let file = std::fs::File::create(&log).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let token = planted("server.token");
    let set = BTreeMap::from([
        ("server.token".to_owned(), token.clone()),
        ("server.listen".to_owned(), format!("127.0.0.1:{port}")),
        ("env.vars.API_KEY".to_owned(), PLANTED.to_owned()),
    ]);
    let mut command = command(&["serve"], &set, folder.path());
    let mut child =
        command.stdout(file.try_clone().unwrap()).stderr(file).stdin(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "{}", std::fs::read_to_string(&log).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
    let request = |method: &str, path: &str, token: &str, body: &str| {
        let text = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-develop-token: {token}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let answer = send(port, &text);
        check(&format!("{method} {path}"), &answer);
        answer
    };
    let source = "import cloud from '@tandem/cloud'; export default async ({ body }) => { \
                  if (body === 1) throw new Error('x'); if (body === 2) return cloud.storage.bucket().getUploadUrl('a'); \
                  await fetch('http://127.0.0.1/') }";
    let publish = serde_json::json!({ "source": source }).to_string();
    assert!(request("PUT", "/functions/f", &token, &publish).starts_with("HTTP/1.1 201 "));
    for body in ["1", "3", "nonsense"] {
        request("POST", "/invoke/f", &token, body);
    }
    let url = request("POST", "/invoke/f", &token, "2");
    let url = url.rsplit_once("http://").unwrap().1.trim_end_matches('"');
    let path = &url[url.find('/').unwrap()..];
    let signature = path.split("ignature=").nth(1).unwrap_or(path).split('&').next().unwrap().to_owned();
    assert!(request("PUT", path, "", "content").starts_with("HTTP/1.1 200 "), "{path}");
    for (method, path) in [
        ("GET", "/functions"),
        ("GET", "/logs"),
        ("GET", "/metrics"),
        ("GET", "/readyz"),
        ("GET", "/nothing"),
    ] {
        request(method, path, &token, "");
    }
    for guess in [format!("{PLANTED}-guess"), format!("{token}x")] {
        assert!(request("GET", "/functions", &guess, "").starts_with("HTTP/1.1 401 "));
    }
    let _ = child.kill();
    child.wait().unwrap();
    let printed = std::fs::read_to_string(&log).unwrap();
    assert!(printed.contains("tandem::invocation"), "the log is as loud as it gets: {printed}");
    check("the log", &printed);
    assert!(!printed.contains(&signature), "the log shows the signature of a URL");
}
