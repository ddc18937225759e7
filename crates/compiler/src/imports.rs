//! What a program imports by a name that stands in its text.

use oxc::ast::ast::{
    Argument, CallExpression, ExportAllDeclaration, ExportFromDeclaration, Expression, ImportDeclaration,
    ImportExpression, Program, StringLiteral,
};
use oxc::ast_visit::{Visit, walk};
use oxc::semantic::Scoping;
use oxc::span::Span;
use tandem_contract::FunctionName;

/// The module that every function can import.
const CLOUD: &str = "@tandem/cloud";

/// The specifier of an import, with its place.
pub(crate) struct Import {
    pub(crate) specifier: String,
    pub(crate) span: Span,
}

impl Import {
    /// The function that is imported, if the specifier is `@/name`.
    pub(crate) fn function(&self) -> Option<&str> {
        self.specifier.strip_prefix("@/").filter(|name| FunctionName::new(*name).is_ok())
    }

    /// Whether a function may import this.
    pub(crate) fn is_allowed(&self) -> bool {
        self.specifier == CLOUD || self.function().is_some()
    }
}

/// Collects the literal specifiers of `import`, `export … from`, `import(…)` and `require(…)`, in
/// the order of the text. With `scoping`, only calls of the global `require` count.
pub(crate) fn collect(program: &Program<'_>, scoping: Option<&Scoping>) -> Vec<Import> {
    let mut collector = Collector { scoping, imports: Vec::new() };
    collector.visit_program(program);
    collector.imports
}

struct Collector<'s> {
    scoping: Option<&'s Scoping>,
    imports: Vec<Import>,
}

impl Collector<'_> {
    fn add(&mut self, specifier: &str, span: Span) {
        self.imports.push(Import { specifier: specifier.to_owned(), span });
    }

    fn add_literal(&mut self, literal: &StringLiteral<'_>) {
        self.add(&literal.value, literal.span);
    }

    fn add_expression(&mut self, expression: &Expression<'_>) {
        match expression {
            Expression::StringLiteral(literal) => self.add_literal(literal),
            Expression::TemplateLiteral(template) => {
                if let Some(text) = template.single_quasi() {
                    self.add(&text, template.span);
                }
            }
            _ => {}
        }
    }

    fn is_require(&self, callee: &Expression<'_>) -> bool {
        let Expression::Identifier(identifier) = callee else { return false };
        identifier.name == "require"
            && self.scoping.is_none_or(|scoping| {
                let reference = identifier.reference_id.get();
                reference.is_none_or(|reference| scoping.get_reference(reference).symbol_id().is_none())
            })
    }
}

impl<'a> Visit<'a> for Collector<'_> {
    fn visit_import_declaration(&mut self, it: &ImportDeclaration<'a>) {
        self.add_literal(&it.source);
    }

    fn visit_export_from_declaration(&mut self, it: &ExportFromDeclaration<'a>) {
        self.add_literal(&it.source);
    }

    fn visit_export_all_declaration(&mut self, it: &ExportAllDeclaration<'a>) {
        self.add_literal(&it.source);
    }

    fn visit_import_expression(&mut self, it: &ImportExpression<'a>) {
        self.add_expression(&it.source);
        walk::walk_import_expression(self, it);
    }

    fn visit_call_expression(&mut self, it: &CallExpression<'a>) {
        if self.is_require(&it.callee)
            && let Some(specifier) = it.arguments.first().and_then(Argument::as_expression)
        {
            self.add_expression(specifier);
        }
        walk::walk_call_expression(self, it);
    }
}
