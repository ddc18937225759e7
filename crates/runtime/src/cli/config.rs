use super::args::{ConfigArgs, SettingsArgs};
use super::failure::Failure;
use super::output;
use crate::builtins;
use crate::config::{Loaded, Sources, load};

/// `tandem config`
pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    let loaded = read(&args.settings)?;
    if args.json {
        output::json(&loaded.effective.to_json());
    } else {
        output::line(loaded.effective.to_toml().trim_end());
    }
    Ok(())
}

/// The configuration that the command line names.
pub(super) fn read(args: &SettingsArgs) -> Result<Loaded, Failure> {
    let sources = Sources::of_process(args.config.clone(), args.set.clone());
    Ok(load(&sources, &builtins::registry())?)
}
