//! The run-time support of lowered syntax, written into the module that needs it.
//!
//! The transformer imports each helper from a package. Functions cannot reach packages, so the
//! imports are taken out and the helpers are appended as function declarations: those
//! are hoisted, and no line of the program moves.

use std::fmt::Write as _;

use oxc::ast::ast::{Argument, BindingPattern, Expression, ImportDeclarationSpecifier, Program, Statement};
use tandem_contract::{Error, ErrorKind, Result};

/// The package that the transformer is told to import helpers from; no source can name it.
pub(crate) const PACKAGE: &str = "@tandem/compiler";

/// Each helper's name and its declaration, in which `HELPER` stands for the name it gets.
const HELPERS: [(&str, &str); 3] = [
    ("decorate", include_str!("decorate.js")),
    ("decorateParam", include_str!("decorate_param.js")),
    ("usingCtx", include_str!("using_ctx.js")),
];

/// Takes the imports of helpers out of `program`. Returns the declarations to append to its text.
///
/// # Errors
/// `CompileError` naming a helper that there is no declaration for.
pub(crate) fn take(program: &mut Program<'_>) -> Result<String> {
    let mut declarations = String::new();
    let mut missing = None;
    program.body.retain(|statement| {
        let Some((helper, local)) = helper_import(statement) else { return true };
        match HELPERS.iter().find(|(name, _)| *name == helper) {
            // Writing to a String cannot fail.
            Some((_, source)) => _ = write!(declarations, "{}", source.replace("HELPER", local)),
            None => missing = Some(helper.to_owned()),
        }
        false
    });
    match missing {
        None => Ok(declarations),
        Some(helper) => Err(Error::new(
            ErrorKind::CompileError,
            format!("The source uses syntax that is not supported: it would need the helper `{helper}`"),
        )),
    }
}

/// The helper's name and the local name that `statement` binds it to.
fn helper_import<'p>(statement: &'p Statement<'_>) -> Option<(&'p str, &'p str)> {
    let (source, local) = match statement {
        Statement::ImportDeclaration(import) => match import.specifiers.as_ref()?.first()? {
            ImportDeclarationSpecifier::ImportDefaultSpecifier(default) => {
                (&import.source, default.local.name.as_str())
            }
            _ => return None,
        },
        Statement::VariableDeclaration(variables) => {
            let variable = variables.declarations.first()?;
            let BindingPattern::BindingIdentifier(binding) = &variable.id else { return None };
            let Some(Expression::CallExpression(call)) = &variable.init else { return None };
            let Some(Argument::StringLiteral(source)) = call.arguments.first() else { return None };
            (&**source, binding.name.as_str())
        }
        _ => return None,
    };
    let helper = source.value.as_str().strip_prefix(PACKAGE)?.strip_prefix("/helpers/")?;
    Some((helper, local))
}
