//! Places in compiled text lead back to the source.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Instant;

use tandem_compiler::async_context::{Names, instrument};
use tandem_compiler::{compile, hash, load_module};
use tandem_contract::{ErrorKind, Language, ModuleFormat};

const SOURCE: &str = "import cloud from \"@tandem/cloud\";\n\ninterface Gone {\n  a: string;\n}\n\nexport default async function main(ctx: Gone) {\n  const é: string = \"𝒳\"; throw new Error(await cloud.invoke(\"x\"));\n}\n";

/// The place of the first `what`, from 1, columns in UTF-16 code units.
fn place(text: &str, what: &str) -> (u32, u32) {
    let before = &text[..text.find(what).unwrap()];
    let line = before.rsplit('\n').next().unwrap();
    (
        u32::try_from(before.matches('\n').count() + 1).unwrap(),
        u32::try_from(line.encode_utf16().count() + 1).unwrap(),
    )
}

#[test]
fn a_throw_maps_to_the_line_and_column_of_the_source() {
    let compiled = compile("tools/main", SOURCE, Language::TypeScript).unwrap();
    let module =
        load_module("tools/main", Language::TypeScript, &compiled.code, Some(&compiled.source_map)).unwrap();
    let map = module.map.unwrap();
    for what in ["new Error", "cloud.invoke", "async function"] {
        let (line, column) = place(&compiled.code, what);
        let (expected_line, expected_column) = place(SOURCE, what);
        assert_eq!(
            map.original(line, column),
            Some(("tools/main.ts", expected_line, expected_column)),
            "{what}"
        );
    }
    assert_eq!(map.original(10_000, 1), None);
    assert_eq!(map.original(0, 0), None);

    let instrumented =
        instrument(&compiled.code, module.format, &Names::absent_from(&compiled.code)).unwrap();
    let (line, column) = place(&instrumented.code, "cloud.invoke");
    let (line, column) = instrumented.columns.original(line, column);
    let (expected_line, expected_column) = place(SOURCE, "cloud.invoke");
    assert_eq!(map.original(line, column), Some(("tools/main.ts", expected_line, expected_column)));
}

#[test]
fn the_map_is_version_3_without_the_source() {
    let compiled = compile("main", SOURCE, Language::TypeScript).unwrap();
    let json: serde_json::Value = serde_json::from_str(&compiled.source_map).unwrap();
    assert_eq!(json["version"], 3);
    assert_eq!(json["sources"], serde_json::json!(["main.ts"]));
    assert!(json.get("sourcesContent").is_none());
    assert_eq!(
        compile("main", "module.exports = 1", Language::JavaScript)
            .unwrap()
            .source_map
            .matches("main.js")
            .count(),
        1
    );
}

#[test]
fn a_map_that_cannot_be_read_maps_nothing() {
    for map in [
        "",
        "{}",
        "[]",
        "{\"version\":2,\"sources\":[],\"mappings\":\"\"}",
        r#"{"version":3,"sources":["a"],"mappings":"!"}"#,
        r#"{"version":3,"sources":["a"],"mappings":"AAAA,gggggggggggggggB"}"#,
        r#"{"version":3,"sources":[],"mappings":"AAAA"}"#,
        r#"{"version":3,"sources":["a"],"mappings":"AADA"}"#,
    ] {
        let module = load_module("m", Language::JavaScript, "module.exports = 1", Some(map)).unwrap();
        assert_eq!(module.map.unwrap().original(1, 1), None, "{map}");
    }
}

#[test]
fn formats_and_imports_are_found() {
    let load = |code| {
        load_module("m", Language::JavaScript, code, None).map(|module| (module.format, module.imports))
    };
    let (module, common) = (ModuleFormat::Module, ModuleFormat::CommonJs);
    assert_eq!(load("exports.default = () => 'import x from y'").unwrap(), (common, vec![]));
    assert_eq!(load("export {}").unwrap(), (module, vec![]));
    assert_eq!(load("import.meta").unwrap(), (module, vec![]));
    assert_eq!(load("await 1").unwrap(), (module, vec![]));
    assert_eq!(load("var await = 1; import('@/late')").unwrap(), (common, vec!["late".to_owned()]));
    assert_eq!(load("return 1").unwrap(), (common, vec![]));
    let code = "import a from '@/a'; export * from '@/b/c'; require('@/a'); import('@/' + x); import x from 'fs'; require('@/../x')";
    assert_eq!(load(code).unwrap(), (module, vec!["a".to_owned(), "b/c".to_owned()]));
    for broken in ["export default (", "}{", "const a: string = 1", "export default 1; return"] {
        let error = load(broken).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CompileError);
        assert!(error.location().is_some());
    }
    let hashbang = load_module("m", Language::JavaScript, "#!x\nexports.a = 1", None).unwrap();
    assert_eq!(&*hashbang.code, "//x\nexports.a = 1");
}

#[test]
fn the_hash_is_sha_256_in_lower_case_hex() {
    // The empty message of FIPS 180-2's test vectors.
    assert_eq!(hash(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    let compiled = compile("main", SOURCE, Language::TypeScript).unwrap();
    assert_eq!(compiled.hash, hash(&compiled.code));
}

/// Not a test of speed, a look at it: `cargo test -p tandem-compiler -- --nocapture rough`.
#[test]
fn rough_times() {
    let functions = (0..15).map(|i| {
        format!("export async function f{i}(a: number) {{\n  const b = [a, {i}].map((x) => x * 2);\n  return await Promise.all(b);\n}}\n")
    });
    let source: String = std::iter::once(SOURCE.to_owned()).chain(functions).collect();
    let compiled = compile("main", &source, Language::TypeScript).unwrap();
    let time = |what: &str, work: &dyn Fn()| {
        let started = Instant::now();
        (0..200).for_each(|_| work());
        println!("{what}, {} bytes: {:?}", source.len(), started.elapsed() / 200);
    };
    time("compile", &|| drop(compile("main", &source, Language::TypeScript).unwrap()));
    time("load_module", &|| {
        drop(load_module("main", Language::TypeScript, &compiled.code, Some(&compiled.source_map)).unwrap())
    });
    time("instrument", &|| {
        drop(instrument(&compiled.code, ModuleFormat::Module, &Names::absent_from(&compiled.code)).unwrap())
    });
}
