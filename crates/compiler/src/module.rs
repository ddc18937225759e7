//! From a stored text to what an engine loads.

use std::sync::Arc;

use oxc::allocator::Allocator;
use tandem_contract::{Error, ErrorKind, Language, Module, Result, SourceMapper};

use crate::errors::SourceFile;
use crate::nesting::Nesting;
use crate::parse::{Depth, parse};
use crate::source_map::LazySourceMap;
use crate::{hash, imports, stack};

/// Reads the stored form of the function `name`: finds out how `compiled` is written and which
/// functions it imports. It may come from another tool, so its imports are not judged.
///
/// `source_map` is version 3 JSON; it is read when a place is first asked for, and one that
/// cannot be read maps nothing.
///
/// # Errors
/// `CompileError`, with a place in `compiled`, when it is neither a CommonJS nor an ES module.
pub fn load_module(
    name: &str,
    language: Language,
    compiled: &str,
    source_map: Option<&str>,
) -> Result<Module> {
    let file = format!("{name}.js");
    let file = SourceFile { name: &file, text: compiled };
    let nesting = Nesting::of(compiled);
    if nesting.is_too_deep() {
        return Err(file.error_at(nesting.offset(), "The compiled text nests too deeply here"));
    }
    let (format, imports) = stack::with_stack_for(&nesting, || {
        let allocator = Allocator::default();
        let parsed = parse(&allocator, compiled, Language::JavaScript, Depth::Syntax);
        if let Some(error) = file.first_error(&parsed.diagnostics) {
            return Err(not_a_module(&error));
        }
        // Most functions import no other.
        let imports =
            if compiled.contains("@/") { imports::collect(&parsed.program, None) } else { Vec::new() };
        Ok((parsed.format, function_names(&imports)))
    })?;
    let code = without_hashbang(compiled);
    let map = source_map.map(|json| {
        let source = format!("{name}.{}", language.extension());
        Arc::new(LazySourceMap::new(json, source)) as Arc<dyn SourceMapper>
    });
    Ok(Module { name: name.to_owned(), format, hash: hash(&code), code, imports, map })
}

fn function_names(imports: &[imports::Import]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in imports.iter().filter_map(imports::Import::function) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// A hashbang is an error in the function that wraps a CommonJS module; as a comment of the same
/// length it moves nothing.
fn without_hashbang(text: &str) -> Arc<str> {
    match text.strip_prefix("#!") {
        Some(rest) => format!("//{rest}").into(),
        None => text.into(),
    }
}

fn not_a_module(error: &Error) -> Error {
    let message = format!("The stored text is neither a CommonJS nor an ES module: {}", error.message());
    let wrapped = Error::new(ErrorKind::CompileError, message);
    match error.location() {
        Some(place) => wrapped.with_location(place.clone()),
        None => wrapped,
    }
}
