//! A configuration is read or refused, and what is refused is explained.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tandem_runtime::builtins;
use tandem_runtime::config::{Sources, load};

fuzz_target!(|data: &str| {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tandem.toml");
    std::fs::write(&file, data).unwrap();
    let (set, variable) = data.split_once('\n').unwrap_or((data, ""));
    let sources = Sources {
        files: vec![file],
        variables: vec![(format!("TANDEM_{set}"), variable.to_owned())],
        sets: if set.contains('=') { vec![set.to_owned()] } else { Vec::new() },
        base: folder.path().to_owned(),
    };
    if let Err(error) = load(&sources, &builtins::registry()) {
        assert!(!error.to_string().is_empty());
    }
});
