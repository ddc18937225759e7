use super::columns::{ColumnMap, Columns};
use super::{Names, module};

/// One insertion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edit {
    /// The byte that it goes before.
    pub(super) at: u32,
    /// Orders insertions at one place: what closes a construct stands before what opens the next,
    /// inner closings before outer, outer openings before inner.
    pub(super) order: u32,
    pub(super) insertion: Insertion,
}

/// What is inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Insertion {
    /// Imports the functions, and declares the variable if asked to.
    Prelude { declare: bool },
    /// Declares the variable at the start of a function, after a directive if there are any.
    Declare { after_directive: bool },
    /// Before `await` in a function without the variable.
    BeforeAwait,
    /// Before `await` in a function that has it.
    BeforeKeptAwait,
    /// Before the iterable of `for await`.
    BeforeIterable,
    /// After an await or an iterable.
    CloseParen,
    /// At the start of a block.
    Restore,
    /// Before the body of a `for await` that is not a block.
    OpenBody,
    /// After such a body.
    CloseBody,
    /// Before `for await` and its labels.
    OpenLoop,
    /// After it.
    CloseLoop,
}

impl Insertion {
    const fn closes(self) -> bool {
        matches!(self, Self::CloseParen | Self::CloseBody | Self::CloseLoop)
    }

    fn write(self, names: &Names, out: &mut String) {
        let Names { save, restore, context } = names;
        let parts: &[&str] = match self {
            Self::Prelude { declare } => {
                let import =
                    ["import {save as ", save, ", restore as ", restore, "} from \"", module(), "\";"];
                import.iter().for_each(|part| out.push_str(part));
                if declare { &["let ", context, "=", save, "();"] } else { &[] }
            }
            Self::Declare { after_directive: true } => &[";let ", context, "=", save, "();"],
            Self::Declare { after_directive: false } => &["let ", context, "=", save, "();"],
            Self::BeforeAwait => &[restore, "(", save, "(),"],
            Self::BeforeKeptAwait => &[restore, "(", context, "=", save, "(),"],
            Self::BeforeIterable => &["(", context, "=", save, "(),"],
            Self::CloseParen => &[")"],
            Self::Restore => &[restore, "(", context, ");"],
            Self::OpenBody => &["{", restore, "(", context, ");"],
            Self::CloseBody => &["}"],
            Self::OpenLoop => &["try{"],
            Self::CloseLoop => &["}finally{", restore, "(", context, ");}"],
        };
        parts.iter().for_each(|part| out.push_str(part));
    }
}

/// Makes the insertions, and the map that undoes them.
pub(super) fn apply(code: &str, mut edits: Vec<Edit>, names: &Names) -> (String, ColumnMap) {
    edits.sort_by_key(|edit| (edit.at, !edit.insertion.closes(), edit.order));
    let mut out = String::with_capacity(code.len() + edits.len() * 16);
    let mut columns = Columns::new(code);
    let mut copied = 0;
    for edit in edits {
        let at = edit.at as usize;
        out.push_str(&code[copied..at]);
        copied = at;
        let before = out.len();
        edit.insertion.write(names, &mut out);
        // Insertions are ASCII: a byte is a column.
        columns.insert(at, out.len() - before);
    }
    out.push_str(&code[copied..]);
    (out, columns.finish())
}
