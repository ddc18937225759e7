//! Syntax that the parser accepts and functions cannot use, and better words for what it refuses.

use oxc::allocator::Allocator;
use oxc::ast::AstKind;
use oxc::ast::ast::{
    AccessorProperty, ImportDeclaration, ImportExpression, JSXElement, JSXFragment, Program, Statement,
    TSModuleReference, WithStatement,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::Parser;
use oxc::semantic::Scoping;
use oxc::span::{SourceType, Span};
use tandem_contract::{Error, Language, Result};

use crate::errors::SourceFile;
use crate::nesting::Nesting;
use crate::stack;

/// Refuses valid syntax that engines lack and nothing lowers.
pub(crate) fn check(file: SourceFile<'_>, program: &Program<'_>) -> Result<()> {
    let mut finder = Finder { first: None };
    finder.visit_program(program);
    finder.first.map_or(Ok(()), |(span, message)| Err(file.error_at(span.start, message)))
}

/// Refuses names that a CommonJS module is given as parameters and declares once more.
pub(crate) fn check_wrapper_names(file: SourceFile<'_>, scoping: &Scoping) -> Result<()> {
    for name in ["exports", "module", "require"] {
        let Some(symbol) = scoping.get_root_binding(name.into()) else { continue };
        if scoping.symbol_flags(symbol).is_block_scoped() {
            let message = format!("`{name}` is given to a CommonJS module already: choose another name");
            return Err(file.error_at(scoping.symbol_span(symbol).start, message));
        }
    }
    Ok(())
}

/// Whether the source exports with `export =`, or imports with `import x = require(…)` and has no
/// other import or export: TypeScript's ways to write CommonJS.
pub(crate) fn is_typescript_commonjs(program: &Program<'_>) -> bool {
    let mut found = false;
    for statement in &program.body {
        match statement {
            Statement::TSExportAssignment(_) => return true,
            Statement::TSImportEqualsDeclaration(import) => {
                found |= matches!(import.module_reference, TSModuleReference::ExternalModuleReference(_));
            }
            statement if statement.is_module_declaration() => return false,
            _ => {}
        }
    }
    found
}

/// The error to report for a source that does not parse: `error`, unless the source is valid in
/// a language that functions are not written in.
pub(crate) fn explain(file: SourceFile<'_>, language: Language, error: Error) -> Error {
    if language == Language::JavaScript && has_types(file.text) {
        let Some(place) = error.location() else { return error };
        let message = format!("{}: types need the language \"typescript\"", error.message());
        return Error::new(error.kind(), message).with_location(place.clone());
    }
    match first_jsx(file.text) {
        Some(span) => {
            file.error_at(span.start, "JSX is not supported: call the functions that make the elements")
        }
        None => error,
    }
}

/// Whether `text` is valid TypeScript and would not be JavaScript.
fn has_types(text: &str) -> bool {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, text, SourceType::ts()).parse();
    let mut finder = TypeFinder { found: false };
    if !parsed.diagnostics.has_errors() {
        finder.visit_program(&parsed.program);
    }
    finder.found
}

fn first_jsx(text: &str) -> Option<Span> {
    // Text between JSX tags follows other rules than the bound that the source was checked with.
    let nesting = Nesting::of_any_grammar(text);
    if nesting.is_too_deep() {
        return None;
    }
    let find = || {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, text, SourceType::tsx()).parse();
        let mut finder = JsxFinder { first: None };
        if !parsed.diagnostics.has_errors() {
            finder.visit_program(&parsed.program);
        }
        Ok(finder.first)
    };
    stack::with_stack_for(&nesting, find).ok().flatten()
}

struct Finder {
    first: Option<(Span, &'static str)>,
}

impl Finder {
    fn refuse(&mut self, span: Span, message: &'static str) {
        self.first.get_or_insert((span, message));
    }
}

impl<'a> Visit<'a> for Finder {
    fn visit_accessor_property(&mut self, it: &AccessorProperty<'a>) {
        self.refuse(it.span, "`accessor` is not supported: write a getter and a setter");
    }

    fn visit_with_statement(&mut self, it: &WithStatement<'a>) {
        self.refuse(it.span, "`with` is not supported: name the object");
    }

    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        if it.phase.is_some() {
            self.refuse(
                it.span,
                "`import defer` and `import source` are not supported: write a plain import",
            );
        }
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        if it.phase.is_some() {
            self.refuse(it.span, "`import.defer` and `import.source` are not supported: write `import(…)`");
        }
        walk::walk_import_expression(self, it);
    }
}

struct TypeFinder {
    found: bool,
}

impl<'a> Visit<'a> for TypeFinder {
    fn enter_node(&mut self, kind: AstKind<'a>) {
        // Node types are named as in ESTree, where all of TypeScript's begin so.
        self.found |= format!("{:?}", kind.ty()).starts_with("TS");
    }
}

struct JsxFinder {
    first: Option<Span>,
}

impl<'a> Visit<'a> for JsxFinder {
    fn visit_jsx_element(&mut self, it: &JSXElement<'a>) {
        self.first.get_or_insert(it.span);
    }

    fn visit_jsx_fragment(&mut self, it: &JSXFragment<'a>) {
        self.first.get_or_insert(it.span);
    }
}
