use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use clap::Args;

use crate::process;
use crate::process::cargo;

#[derive(Args)]
pub(crate) struct TestArgs {
    /// Passed on to `cargo test`, such as a test's name or `-p tandem-contract`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Builds the binary first: the conformance suite starts it. In CI every backend must be reachable.
pub(crate) fn run(args: &TestArgs) -> Result<(), String> {
    let in_ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
    process::run(&mut cargo(&["build", "--locked", "--bin", "tandem"]))?;

    let mut test = cargo(&["test", "--locked", "--no-fail-fast"]);
    if !args.rest.iter().any(|arg| arg == "-p" || arg == "--package") {
        test.arg("--workspace");
    }
    test.args(&args.rest).stdout(Stdio::piped());
    if in_ci {
        test.env("TANDEM_REQUIRE_ALL", "1");
    }
    let mut child = test.spawn().map_err(|error| format!("cargo test: {error}"))?;
    let mut totals = Totals::default();
    for line in BufReader::new(child.stdout.take().ok_or("cargo test has no output")?).lines() {
        let line = line.map_err(|error| format!("cargo test: {error}"))?;
        println!("{line}");
        totals.add(&line);
    }
    let status = child.wait().map_err(|error| format!("cargo test: {error}"))?;
    println!(
        "\nxtask: {} test binaries: {} passed, {} failed, {} ignored",
        totals.binaries, totals.passed, totals.failed, totals.ignored
    );
    if status.success() { Ok(()) } else { Err("tests failed".to_owned()) }
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
