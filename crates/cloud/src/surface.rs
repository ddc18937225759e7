//! Holds the op table, the scripts and `cloud.d.ts` against each other.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use tandem_contract::{InvocationInput, LogLimits, OpMode, Payload, RequestHead};

use crate::ops;
use crate::scripts::scripts;

const DECLARATIONS: &str = include_str!("../cloud.d.ts");

/// What `cloud.d.ts` declares, the script that has it, and the lines at which its parts begin.
const DECLARED: &[(&str, &str, &[&str])] = &[
    ("Cloud", "cloud.js", &["const cloud = {"]),
    ("Storage", "storage.js", &["const { bucket } = {"]),
    ("Bucket", "storage.js", &["class Bucket {"]),
    ("Database", "database.js", &["class Database {"]),
    ("Collection", "collection.js", &["class Collection {"]),
    ("Cursor", "cursor.js", &["class Cursor {"]),
    ("FindCursor", "find-cursor.js", &["class FindCursor extends Cursor {"]),
    ("ObjectId", "object-id.js", &["class ObjectId {"]),
    ("Long", "numbers.js", &["class Long {"]),
    ("Double", "numbers.js", &["class WrappedNumber {", "class Double extends WrappedNumber {"]),
    ("Int32", "numbers.js", &["class WrappedNumber {", "class Int32 extends WrappedNumber {"]),
    ("Decimal128", "numbers.js", &["class Decimal128 {"]),
    ("Binary", "other-types.js", &["class Binary {"]),
    ("BSONRegExp", "other-types.js", &["class BSONRegExp {"]),
    ("Code", "other-types.js", &["class Code {"]),
    ("Timestamp", "other-types.js", &["class Timestamp {"]),
    ("MinKey", "other-types.js", &["class MinKey {"]),
    ("MaxKey", "other-types.js", &["class MaxKey {"]),
];

/// Operations that the isolate itself runs, beside those of the table.
const ISOLATE_OPS: &[(&str, OpMode)] = &[("reply.write", OpMode::Async)];

fn source(name: &str) -> &'static str {
    scripts().iter().find(|script| script.name == name).unwrap_or_else(|| panic!("no script {name}")).source
}

/// The names `x` of `op("x")`.
fn ops_asked_for(source: &str) -> impl Iterator<Item = &str> {
    source.split("op(\"").skip(1).filter_map(|rest| rest.split('"').next())
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The member that a line of a class, an object or an interface begins, if it begins one.
fn member(line: &str) -> Option<&str> {
    let mut line = line;
    for modifier in ["static ", "readonly ", "async ", "get ", "set "] {
        line = line.strip_prefix(modifier).unwrap_or(line);
    }
    let end = line.find(['(', '<', ':', '?', ';', ','])?;
    Some(&line[..end]).filter(|name| is_name(name) && *name != "constructor")
}

/// The lines between `start` and the brace that closes it, without their indentation, as long as
/// they are one level in.
fn lines_inside<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let indent = start.len() - start.trim_start().len();
    let (outer, inner) = (" ".repeat(indent), " ".repeat(indent + 2));
    let begins = |line: &&str| line.starts_with(start) && line.ends_with('{');
    let body = source.lines().skip_while(|line| !begins(line)).skip(1);
    let body = body.take_while(|line| !line.starts_with(&format!("{outer}}}")));
    body.filter_map(|line| line.strip_prefix(&inner))
        .filter(|line| !line.starts_with([' ', '/', '*']))
        .collect()
}

/// Properties that a constructor or a statement after the class sets: `this.x = …`, `Class.x = …`.
fn assigned<'a>(source: &'a str, start: &str, class: &str) -> Vec<&'a str> {
    let after = &source[source.find(start).unwrap_or_else(|| panic!("no {start}"))..];
    let body = &after[..after.find("\n}").unwrap_or(after.len())];
    let set = |text: &'a str, prefix: &str| -> Vec<&'a str> {
        let lines = text.lines().map(str::trim).filter_map(|line| line.strip_prefix(prefix));
        lines
            .filter_map(|line| line.split_once(" = "))
            .map(|(name, _)| name)
            .filter(|name| is_name(name))
            .collect()
    };
    [set(body, "this."), set(source, &format!("{class}."))].concat()
}

fn types() -> BTreeSet<&'static str> {
    let list = source("types.js");
    let list = &list[list.find("NAMES = [").unwrap()..list.find("];").unwrap()];
    list.split('"').skip(1).step_by(2).collect()
}

#[test]
fn scripts_ask_for_every_operation_and_no_other() {
    let declared: Vec<_> = ops::table().iter().map(|op| op.name).collect();
    let names: BTreeSet<_> = declared.iter().copied().collect();
    assert_eq!(names.len(), declared.len(), "an operation is declared twice");
    let isolates = ISOLATE_OPS.iter().map(|(name, _)| *name);
    let names: BTreeSet<_> = names.into_iter().chain(isolates).collect();
    let asked: BTreeSet<_> = scripts().iter().flat_map(|script| ops_asked_for(script.source)).collect();
    assert_eq!(asked, names);
}

#[test]
fn scripts_call_operations_in_their_mode() {
    let table = ops::table();
    let table = table.iter().map(|op| (op.name, op.spec().mode));
    let modes: BTreeMap<_, _> = table.chain(ISOLATE_OPS.iter().copied()).collect();
    for script in scripts() {
        for line in script.source.lines().filter_map(|line| line.strip_prefix("const ")) {
            let Some((constant, rest)) = line.split_once(" = op(\"") else { continue };
            let name = rest.split('"').next().unwrap();
            let calls = |function: &str| {
                let starts = [",", ")"].map(|after| format!("{function}({constant}{after}"));
                starts.iter().any(|start| {
                    script.source.match_indices(start).any(|(at, _)| !script.source[..at].ends_with('a'))
                })
            };
            let of_the_other_mode = match modes[name] {
                OpMode::Sync => ["async", "begin"],
                OpMode::Async => ["sync", "syncOf"],
            };
            for function in of_the_other_mode {
                assert!(!calls(function), "{}: {name} is called through `{function}`", script.name);
            }
        }
    }
}

#[test]
fn every_script_is_listed_once() {
    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => files(&path, found),
                false => found.push(path.file_name().unwrap().to_string_lossy().into_owned()),
            }
        }
    }
    let mut found = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("js"), &mut found);
    found.sort();
    let mut listed: Vec<_> = scripts().iter().map(|script| script.name.to_owned()).collect();
    listed.sort();
    assert_eq!(listed, found);
    listed.dedup();
    assert_eq!(listed.len(), found.len(), "two scripts have the same file name");
}

#[test]
fn scripts_require_scripts_that_exist() {
    let names: BTreeSet<_> = scripts().iter().map(|script| script.name).collect();
    for script in scripts() {
        for required in script.source.split("require(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let Some(name) = required.rsplit('/').next().filter(|name| name.ends_with(".js")) else {
                continue;
            };
            assert!(names.contains(name), "{} requires {required}", script.name);
        }
    }
}

fn declared(name: &str) -> BTreeSet<&'static str> {
    let kinds = ["interface", "class"].into_iter();
    let lines = kinds.flat_map(|kind| {
        let exact = [format!("  export {kind} {name} "), format!("  export {kind} {name}<")];
        exact.into_iter().flat_map(|start| lines_inside(DECLARATIONS, &start))
    });
    lines.filter_map(member).collect()
}

#[test]
fn ctx_has_the_declared_members() {
    let called_by_a_function = InvocationInput {
        function: "f".into(),
        request_id: "r".into(),
        head: RequestHead::default(),
        payload: Payload::Empty,
        deadline: Instant::now(),
        cpu_time: Duration::ZERO,
        depth: 1,
        log_limits: LogLimits { lines: 0, line_limit: 0 },
    };
    let text = ops::request::whole_text(&called_by_a_function).unwrap().unwrap();
    let context: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&text).unwrap();
    assert_eq!(declared("FunctionContext"), context.keys().map(String::as_str).collect());
}

/// The names of a list such as `a, b: c, d`, without what stands after a colon.
fn names_in(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').filter_map(|item| item.split(':').next()).map(str::trim).filter(|name| is_name(name))
}

#[test]
fn scripts_take_what_other_scripts_export() {
    for script in scripts() {
        for (at, middle) in script.source.match_indices("} = require(\"") {
            let before = &script.source[..at];
            let wanted = &before[before.rfind('{').unwrap() + 1..];
            let (path, after) = script.source[at + middle.len()..].split_once('"').unwrap();
            if !after.starts_with(");") {
                continue;
            }
            let from = path.rsplit('/').next().unwrap();
            // Some make their exports otherwise than as a list.
            let exports =
                source(from).split_once("module.exports = {").and_then(|(_, rest)| rest.split_once('}'));
            let Some((exports, _)) = exports.filter(|(list, _)| !list.contains("...")) else { continue };
            let exports: BTreeSet<_> = names_in(exports).collect();
            for name in names_in(wanted) {
                assert!(exports.contains(name), "{} takes {name} from {from}, which has none", script.name);
            }
        }
    }
}

#[test]
fn declarations_and_scripts_have_the_same_members() {
    for (name, script, starts) in DECLARED {
        let source = source(script);
        let mut has: BTreeSet<&str> = BTreeSet::new();
        for start in *starts {
            has.extend(lines_inside(source, start).into_iter().filter_map(member));
            if start.starts_with("class") {
                has.extend(assigned(source, start, name));
            }
        }
        if matches!(*name, "Cloud" | "Database") {
            has.extend(types());
        }
        let declared = declared(name);
        assert_eq!(declared, has, "{name} in cloud.d.ts and {script}");
        assert!(!declared.is_empty(), "{name} is not in cloud.d.ts");
    }
}

#[test]
fn types_are_the_same_everywhere() {
    let exports = source("bson.js").split("module.exports = {").nth(1).unwrap();
    let exports: BTreeSet<_> = exports
        .lines()
        .filter_map(|line| line.trim().strip_suffix(','))
        .filter(|name| is_name(name))
        .collect();
    assert_eq!(types(), exports);
    for name in types() {
        assert!(DECLARATIONS.contains(&format!("  export class {name} ")), "{name} is not in cloud.d.ts");
    }
}
