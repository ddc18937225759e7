//! From a source as its author wrote it to the text that engines load.

use std::path::{Path, PathBuf};

use oxc::allocator::Allocator;
use oxc::ast::ast::Program;
use oxc::codegen::{Codegen, CodegenOptions, CodegenReturn, CommentOptions, LegalComment};
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::transformer::{
    DecoratorOptions, ESTarget, HelperLoaderMode, HelperLoaderOptions, Module, TransformOptions, Transformer,
};
use tandem_contract::{Error, ErrorKind, Language, ModuleFormat, Result, SourceMapper};

use crate::errors::SourceFile;
use crate::location::byte_offset;
use crate::nesting::Nesting;
use crate::parse::{Depth, Parsed, parse};
use crate::source_map::LazySourceMap;
use crate::{hash, helpers, imports, refusals, stack};

/// The longest source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// What a publish stores of a compiled source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// What engines load: an ES module if the source is one, CommonJS otherwise; ES2023.
    pub code: String,
    /// Maps `code` to the source: version 3 JSON whose only file is `name.ts` or `name.js`,
    /// without the source itself.
    pub source_map: String,
    /// SHA-256 of `code`, lower-case hex.
    pub hash: String,
}

/// Compiles the source of the function `name`. The same source gives the same result.
///
/// Types are erased and what engines lack is lowered: enums, namespaces, parameter properties,
/// decorators (TypeScript's experimental ones) and `using`. Class fields are defined, not assigned.
///
/// # Errors
/// `CompileError` with the place of the first error when the source is longer than
/// [`MAX_SOURCE_BYTES`], nests too deeply, is not valid, holds JSX, or imports anything but
/// `@tandem/cloud` and other functions as `@/name`.
pub fn compile(name: &str, source: &str, language: Language) -> Result<Compiled> {
    if source.len() > MAX_SOURCE_BYTES {
        let message = format!(
            "The source has {} bytes and at most {MAX_SOURCE_BYTES} are compiled: split it into functions that import each other",
            source.len()
        );
        return Err(Error::new(ErrorKind::CompileError, message));
    }
    let file = format!("{name}.{}", language.extension());
    let file = SourceFile { name: &file, text: source };
    let nesting = Nesting::of(source);
    if nesting.is_too_deep() {
        return Err(file.error_at(
            nesting.offset(),
            "The source nests too deeply here: split the expression or statement",
        ));
    }
    let (code, source_map) = stack::with_stack_for(&nesting, || compile_file(file, language))?;
    // Brackets that the source left out may have been added.
    let nesting = Nesting::of(&code);
    if nesting.is_too_deep() {
        return Err(
            file.error_at(0, "The source nests too deeply: split its longest expression or statement")
        );
    }
    stack::with_stack_for(&nesting, || recheck(file, &code, &source_map))?;
    let hash = hash(&code);
    Ok(Compiled { code, source_map, hash })
}

/// The compiled text and its source map.
fn compile_file(file: SourceFile<'_>, language: Language) -> Result<(String, String)> {
    let allocator = Allocator::default();
    let Parsed { mut program, format, diagnostics } = parse(&allocator, file.text, language, Depth::Full);
    if let Some(error) = file.first_error(&diagnostics) {
        return Err(refusals::explain(file, language, error));
    }
    refusals::check(file, &program)?;

    let scoping = analyse(file, &program)?;
    if format == ModuleFormat::CommonJs {
        refusals::check_wrapper_names(file, &scoping)?;
    }
    let scoping = transform(file, &allocator, &mut program, scoping)?;
    // A CommonJS module is wrapped in a function, where a hashbang is an error.
    program.hashbang = None;
    let declarations = helpers::take(&mut program)?;
    for import in imports::collect(&program, Some(&scoping)) {
        if !import.is_allowed() {
            let message = format!(
                "Cannot import {:?}: a function can import \"@tandem/cloud\" and other functions as \"@/name\"",
                import.specifier
            );
            return Err(file.error_at(import.span.start, message));
        }
    }

    let (mut code, source_map) = print(file, &program)?;
    code.push_str(&declarations);
    Ok((code, source_map))
}

/// Finds the errors that engines raise at load and a parser does not see.
fn analyse(file: SourceFile<'_>, program: &Program<'_>) -> Result<Scoping> {
    // Lowering adds scopes and names; room for them now saves copies later.
    let analysed =
        SemanticBuilder::new_compiler().with_enum_eval(true).with_excess_capacity(2.0).build(program);
    match file.first_error(&analysed.diagnostics) {
        Some(error) => Err(error),
        None => Ok(analysed.semantic.into_scoping()),
    }
}

fn transform<'a>(
    file: SourceFile<'_>,
    allocator: &'a Allocator,
    program: &mut Program<'a>,
    scoping: Scoping,
) -> Result<Scoping> {
    let mut options = TransformOptions::from(ESTarget::ES2023);
    // Both engines have all of them, and a literal is faster than a constructor.
    options.env.regexp = Default::default();
    options.decorator = DecoratorOptions { legacy: true, ..DecoratorOptions::default() };
    options.helper_loader =
        HelperLoaderOptions { mode: HelperLoaderMode::Runtime, module_name: helpers::PACKAGE.into() };
    if refusals::is_typescript_commonjs(program) {
        options.env.module = Module::CommonJS;
    }
    let transformed =
        Transformer::new(allocator, Path::new(file.name), &options).build_with_scoping(scoping, program);
    match file.first_error(&transformed.diagnostics) {
        Some(error) => Err(error),
        None => Ok(transformed.scoping),
    }
}

fn print(file: SourceFile<'_>, program: &Program<'_>) -> Result<(String, String)> {
    let options = CodegenOptions {
        source_map_path: Some(PathBuf::from(file.name)),
        comments: CommentOptions { legal: LegalComment::Inline, ..CommentOptions::disabled() },
        ..CodegenOptions::default()
    };
    let CodegenReturn { code, map, .. } =
        Codegen::new().with_options(options).with_source_text(program.source_text).build(program);
    let mut map = map.ok_or_else(|| Error::internal("the code generator made no source map"))?;
    map.set_source_contents(Vec::new());
    Ok((code, map.to_json_string()))
}

/// Refuses an output that engines would refuse at load: some errors of JavaScript are none in
/// TypeScript, and the lowering may leave others.
fn recheck(file: SourceFile<'_>, code: &str, source_map: &str) -> Result<()> {
    let allocator = Allocator::default();
    let parsed = parse(&allocator, code, Language::JavaScript, Depth::Syntax);
    let output = SourceFile { name: file.name, text: code };
    let error = output
        .first_error(&parsed.diagnostics)
        .or_else(|| output.first_error(&SemanticBuilder::new_compiler().build(&parsed.program).diagnostics));
    let Some(error) = error else { return Ok(()) };
    let map = LazySourceMap::new(source_map, file.name.to_owned());
    let place = error.location().and_then(|place| map.original(place.line, place.column));
    Err(match place {
        Some((_, line, column)) => file.error_at(byte_offset(file.text, line, column), error.message()),
        None => Error::new(ErrorKind::CompileError, error.message()),
    })
}
