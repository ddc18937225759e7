use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use clap::Args;

use crate::process::{self, cargo};
use crate::services::{self, Install};
use crate::v8;

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Passed on to `cargo test`, such as a test's name or `-p tandem-contract`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds the binary first: the conformance suite starts it. In CI every backend must be reachable.
/// V8 is part of everything whenever its archive can be had.
pub(crate) fn run(args: &TestArgs) -> Result<(), String> {
    let in_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
    let servers = Servers::for_tests(in_ci)?;
    let v8 = v8::for_tests(in_ci)?;
    let everything = !args.rest.iter().any(|arg| arg == "-p" || arg == "--package");
    let mut selection = vec!["--locked"];
    if everything {
        // The same features for the binary as for the tests, or everything would be built twice.
        selection.push("--workspace");
        selection.extend(if v8 { ["--features", "tandem-runtime/v8"] } else { ["--exclude", v8::CRATE] });
        process::run(cargo(&["test", "--no-run"]).args(&selection))?;
    } else {
        let features: &[&str] = if v8 { &["--features", "v8"] } else { &[] };
        process::run(cargo(&["build", "--locked", "--bin", "tandem"]).args(features))?;
    }

    let mut test = cargo(&["test", "--no-fail-fast"]);
    test.args(&selection);
    test.env("TANDEM_BIN", process::target().join("debug").join("tandem"));
    if v8 {
        test.env("TANDEM_FEATURES", "v8");
    }
    test.args(&args.rest).stdout(Stdio::piped());
    test.envs(servers.variables.iter().map(|(name, value)| (name, value)));
    if in_ci {
        test.env("TANDEM_REQUIRE_ALL", "1");
    }
    let mut child = test.spawn().map_err(|error| format!("cargo test: {error}"))?;
    let (mut totals, mut failures) = (Totals::default(), Failures::default());
    for line in BufReader::new(child.stdout.take().ok_or("cargo test has no output")?).lines() {
        let line = line.map_err(|error| format!("cargo test: {error}"))?;
        println!("{line}");
        totals.add(&line);
        failures.add(line);
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    failures.print();
    println!(
        "\nxtask: {} test binaries: {} passed, {} failed, {} ignored",
        totals.binaries, totals.passed, totals.failed, totals.ignored
    );
    if status.success() { Ok(()) } else { Err("tests failed".to_owned()) }
}

/// The servers that the tests may use, stopped afterwards if they were started for them.
struct Servers {
    variables: Vec<(String, String)>,
    started_here: bool,
}

impl Servers {
    /// In CI every server is started; elsewhere those that run are used, since nobody wants servers
    /// installed behind their back.
    fn for_tests(in_ci: bool) -> Result<Self, String> {
        let running = services::of_running();
        if !in_ci {
            return Ok(Self { variables: running, started_here: false });
        }
        let mut servers = Self { variables: running, started_here: false };
        servers.started_here = servers.variables.is_empty();
        servers.variables = services::up(Install::Allowed)?;
        Ok(servers)
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if self.started_here {
            stop();
        }
    }
}

fn stop() {
    if let Err(error) = services::down() {
        eprintln!("xtask: {error}");
    }
}

/// What each test binary said of its failures. It is said again at the end: of thousands of lines,
/// the last are those that are read, and all that some services keep.
#[derive(Default)]
struct Failures {
    binary: Vec<String>,
    all: Vec<String>,
}

impl Failures {
    /// A binary tells of its failures between `failures:` and its result.
    fn add(&mut self, line: String) {
        if line.starts_with("test result: ") {
            self.all.append(&mut self.binary);
        } else if line == "failures:" || !self.binary.is_empty() {
            self.binary.push(line);
        }
    }

    /// With those of a binary that ended before its result.
    fn print(mut self) {
        self.all.append(&mut self.binary);
        for line in self.all {
            println!("{line}");
        }
    }
}

/// What the `test result:` lines add up to.
#[derive(Default)]
struct Totals {
    binaries: usize,
    passed: usize,
    failed: usize,
    ignored: usize,
}

impl Totals {
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        self.binaries += 1;
        // `ok. 5 passed; 0 failed; 0 ignored; 0 measured; …`
        let words: Vec<&str> = counts.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let Ok(count) = pair[0].parse::<usize>() else { continue };
            match pair[1] {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_kept_and_nothing_else() {
        let mut failures = Failures::default();
        for line in [
            "test one ... FAILED",
            "failures:",
            "---- one stdout ----",
            "it broke",
            "failures:",
            "    one",
            "test result: FAILED. 2 passed; 1 failed",
            "test two ... ok",
            "test result: ok. 1 passed; 0 failed",
        ] {
            failures.add(line.to_owned());
        }
        assert_eq!(failures.all, ["failures:", "---- one stdout ----", "it broke", "failures:", "    one"]);
        assert!(failures.binary.is_empty());
    }

    #[test]
    fn results_add_up() {
        let mut totals = Totals::default();
        totals.add(
            "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        totals.add("test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out");
        totals.add("test something ... ok");
        assert_eq!((totals.binaries, totals.passed, totals.failed, totals.ignored), (2, 7, 3, 1));
    }
}
