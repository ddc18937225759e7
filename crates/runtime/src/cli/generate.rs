use super::args::{GenerateArgs, Generated};
use super::failure::Failure;
use super::output;
use crate::builtins;
use crate::config::{configuration_markdown, json_schema};

/// `tandem generate`
pub(super) fn run(args: &GenerateArgs) -> Result<(), Failure> {
    let registry = builtins::registry();
    match args.what {
        Generated::Schema => output::json(&json_schema(&registry)),
        Generated::Configuration => output::raw(configuration_markdown(&registry).as_bytes()),
    }
    Ok(())
}
