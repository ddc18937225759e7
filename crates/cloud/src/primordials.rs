use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::scripts::scripts;

/// The intrinsics that all scripts ask `primordials.js` for, sorted, each once. An isolate captures
/// these before a function runs, and no others.
pub fn primordials() -> &'static [&'static str] {
    static NAMES: OnceLock<Vec<&'static str>> = OnceLock::new();
    NAMES.get_or_init(|| primordials_of(|_| true))
}

/// The same for an engine that loads only the scripts whose names `loads` accepts.
pub fn primordials_of(loads: impl Fn(&str) -> bool) -> Vec<&'static str> {
    let loaded = scripts().iter().filter(|script| loads(script.name));
    let names: BTreeSet<_> = loaded.flat_map(|script| names_in(script.source)).collect();
    names.into_iter().collect()
}

/// Scripts write `const { A, B } = require("./primordials.js")`, and only that.
fn names_in(source: &'static str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for (end, _) in source.match_indices("primordials.js\")") {
        let before = &source[..end];
        let (Some(open), Some(close)) = (before.rfind('{'), before.rfind('}')) else { continue };
        if open < close {
            let list = &before[open + 1..close];
            names.extend(list.split(',').filter_map(|item| item.split(':').next()).map(str::trim));
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_that_takes_primordials_is_read() {
        for script in scripts().iter().filter(|script| script.source.contains("require(\"./primordials")) {
            assert!(!names_in(script.source).is_empty(), "{} names no intrinsic", script.name);
        }
    }

    #[test]
    fn names_are_taken_from_the_pattern() {
        let source = "const { JSONParse, MapPrototypeGet: get,\n  String } = require(\"./primordials.js\");";
        assert_eq!(names_in(source), ["JSONParse", "MapPrototypeGet", "String"]);
    }
}
