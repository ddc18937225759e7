use clap::Args;

use crate::process::{cargo, output, root};
use crate::v8;

/// Files and the verb of the binary that writes them.
const GENERATED: [(&str, &str); 2] =
    [("config/schema.json", "schema"), ("docs/configuration.md", "configuration")];

#[derive(Args)]
pub(crate) struct DocsArgs {
    /// Change nothing; fail if a file is not current
    #[arg(long)]
    check: bool,
}

/// Asks the binary, so that this crate needs not be built with all of the runtime.
pub(crate) fn run(args: &DocsArgs) -> Result<(), String> {
    for (file, what) in GENERATED {
        let mut generate = cargo(&["run", "--quiet", "--locked", "--bin", "tandem"]);
        // What is generated tells of every backend.
        if v8::for_tests(true)? {
            generate.args(["--features", "v8"]);
        }
        let text = output(generate.args(["--", "generate", what]))?;
        let path = root().join(file);
        if std::fs::read_to_string(&path).is_ok_and(|found| found == text) {
            println!("{file} is current");
        } else if args.check {
            return Err(format!("{file} is not current: run `cargo xtask docs`"));
        } else {
            std::fs::write(&path, text).map_err(|error| format!("{file}: {error}"))?;
            println!("{file} was written");
        }
    }
    Ok(())
}
