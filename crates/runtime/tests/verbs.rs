//! The verbs of the binary against a server of its own, as a person or a script uses them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a helper of a test fails the test")]

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const HELLO: &str =
    "export default (ctx) => { console.log('called'); return { hello: ctx.body?.name ?? 'world' }; }";

/// Long enough for a busy machine; nobody waits for it when all is well.
const PATIENCE: Duration = Duration::from_secs(30);

fn tandem(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("TANDEM_")
            || name.starts_with("S3_")
            || name == "DEVELOP_TOKEN"
            || name == "MONGO_URL"
        {
            command.env_remove(name);
        }
    }
    command.args(args).current_dir(folder).stdin(Stdio::null());
    command
}

/// `tandem dev` on a folder, with what it printed so far.
struct Dev {
    process: Child,
    lines: Receiver<String>,
    url: String,
    token: String,
    folder: TempDir,
}

impl Dev {
    fn start(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("functions")).unwrap();
        for (name, source) in files {
            std::fs::write(folder.path().join("functions").join(name), source).unwrap();
        }
        let mut process = tandem(folder.path(), &["dev", "functions", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, lines) = channel();
        let errors = sender.clone();
        let (out, err) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        std::thread::spawn(move || {
            BufReader::new(out).lines().map_while(Result::ok).try_for_each(|l| sender.send(l))
        });
        std::thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).try_for_each(|l| errors.send(l))
        });
        let mut dev = Self { process, lines, url: String::new(), token: String::new(), folder };
        dev.token = dev.wait_for("token").trim_start_matches("token").trim().to_owned();
        let serving = dev.wait_for("serving http://");
        dev.url = serving.split(' ').nth(1).unwrap().to_owned();
        dev
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join("functions").join(name)
    }

    /// The next line that holds `text`.
    fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut printed = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if line.contains(text) {
                return line;
            }
            printed.push(line);
        }
        panic!("{text:?} was not printed; printed was: {printed:#?}")
    }

    /// Runs a remote verb against it.
    fn run(&self, args: &[&str]) -> Output {
        let mut command = tandem(self.folder.path(), args);
        command.env("TANDEM_URL", &self.url).env("TANDEM_TOKEN", &self.token).output().unwrap()
    }

    fn stdout(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_folder_is_followed() {
    let dev = Dev::start(&[("hello.ts", HELLO)]);
    assert_eq!(dev.stdout(&["invoke", "hello"]), r#"{"hello":"world"}"#);

    std::fs::write(dev.file("hello.ts"), "export default () => 'second'").unwrap();
    dev.wait_for("published");
    assert_eq!(dev.stdout(&["invoke", "hello"]), r#""second""#);

    std::fs::write(dev.file("hello.ts"), "export default () => {\n  const x: = 1\n}").unwrap();
    dev.wait_for("functions/hello.ts:2:");
    assert!(dev.wait_for("> 2").contains("const x: = 1"));
    assert_eq!(dev.stdout(&["invoke", "hello"]), r#""second""#, "the old version goes on serving");

    std::fs::write(dev.file("other.js"), "export default () => 1").unwrap();
    assert!(dev.wait_for("published").contains("/invoke/other"));
    std::fs::remove_file(dev.file("hello.ts")).unwrap();
    dev.wait_for("deleted");
    assert_eq!(dev.run(&["invoke", "hello"]).status.code(), Some(4));
}

#[test]
fn remote_verbs_work_and_tell_how_it_went() {
    let dev = Dev::start(&[("hello.ts", HELLO)]);
    let called = dev.run(&["invoke", "hello", "--data", r#"{"name":"Ada"}"#]);
    assert_eq!(String::from_utf8_lossy(&called.stdout), r#"{"hello":"Ada"}"#);
    assert_eq!(String::from_utf8_lossy(&called.stderr), "called\n");

    let report: serde_json::Value =
        serde_json::from_str(&dev.stdout(&["invoke", "hello", "--json"])).unwrap();
    assert_eq!((&report["status"], &report["body"]["hello"]), (&200.into(), &"world".into()));
    assert_eq!(report["logs"], serde_json::json!(["called"]));
    let id = report["requestId"].as_str().unwrap();
    assert!(dev.stdout(&["logs", id]).contains("  called"));
    assert_eq!(dev.stdout(&["logs", "--json", "--limit", "1"]).lines().count(), 1);

    std::fs::create_dir_all(dev.folder.path().join("more/users")).unwrap();
    std::fs::write(
        dev.folder.path().join("more/users/create.ts"),
        "export default () => { throw new Error('no') }",
    )
    .unwrap();
    std::fs::write(dev.folder.path().join("more/broken.ts"), "export default (").unwrap();
    let deployed = dev.run(&["deploy", "more"]);
    assert_eq!(deployed.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&deployed.stderr).contains("more/broken.ts:1:"));
    assert_eq!(dev.run(&["invoke", "users/create"]).status.code(), Some(5));

    let listed: serde_json::Value = serde_json::from_str(&dev.stdout(&["list", "--json"])).unwrap();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|function| function["name"].clone()).collect();
    assert_eq!(names, ["hello", "users/create"]);
    assert!(dev.stdout(&["list"]).starts_with("name "));
    assert_eq!(dev.stdout(&["get", "hello"]).trim_end(), HELLO);

    dev.stdout(&["delete", "users/create"]);
    assert_eq!(dev.run(&["get", "users/create"]).status.code(), Some(4));
    assert_eq!(dev.run(&["list", "--token", "wrong"]).status.code(), Some(6));
    assert_eq!(dev.run(&["list", "--url", "http://127.0.0.1:1"]).status.code(), Some(3));
    assert_eq!(dev.run(&["list", "--url", "nonsense"]).status.code(), Some(2));
}

#[test]
fn a_taken_port_is_named_with_a_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = tandem(folder.path(), &["serve", "--listen", &address]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("is taken") && said.contains("--listen"), "{said}");
}

#[test]
fn a_check_tells_by_its_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let check =
        |args: &[&str]| tandem(folder.path(), &[&["check", "--json"], args].concat()).output().unwrap();
    let good = check(&[]);
    let report: serde_json::Value = serde_json::from_slice(&good.stdout).unwrap();
    assert_eq!((good.status.code(), &report["ok"]), (Some(0), &true.into()));
    assert_eq!(report["checks"].as_array().unwrap().len(), 4);

    std::fs::write(folder.path().join("file"), "").unwrap();
    let bad = check(&["--set", "functions.sqlite.path=file/tandem.db"]);
    let report: serde_json::Value = serde_json::from_slice(&bad.stdout).unwrap();
    assert_eq!((bad.status.code(), &report["ok"]), (Some(1), &false.into()));

    assert_eq!(check(&["--set", "server.lisen=x"]).status.code(), Some(1));
}
