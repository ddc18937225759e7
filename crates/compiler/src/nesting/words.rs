//! What a word says about what may follow it.

/// What the last token allows next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// An operator, an opening bracket or nothing: an operand follows.
    Operator,
    /// A complete operand: an operator follows, or a statement on the next line.
    Operand,
    /// A word that an operand follows.
    Keyword,
    /// A word that may be an operand or be followed by one, `++`, `--` or `>`.
    Unsure,
    /// `}`.
    Brace,
    /// `)` of `if (…)`, `while (…)`, `for (…)`, `with (…)`: a statement follows.
    Header,
}

/// What `word` allows next, when it is not a property's name.
pub(super) fn classify(word: &[u8]) -> Before {
    match word {
        b"return" | b"typeof" | b"case" | b"do" | b"else" | b"in" | b"instanceof" | b"new" | b"void"
        | b"delete" | b"throw" | b"extends" | b"default" | b"if" | b"while" | b"for" | b"with" => {
            Before::Keyword
        }
        b"await" | b"yield" | b"of" | b"as" | b"is" | b"satisfies" | b"keyof" | b"infer" | b"unique"
        | b"readonly" | b"asserts" | b"abstract" | b"async" | b"implements" | b"let" | b"static" => {
            Before::Unsure
        }
        _ => Before::Operand,
    }
}

/// Whether `word` can go on with what stands before it, even after `}` or on a new line.
pub(super) fn continues(word: &[u8]) -> bool {
    matches!(
        word,
        b"else"
            | b"while"
            | b"catch"
            | b"finally"
            | b"in"
            | b"instanceof"
            | b"of"
            | b"as"
            | b"satisfies"
            | b"extends"
            | b"implements"
            | b"is"
    )
}

/// Whether brackets after `word` hold a condition and a statement follows them.
pub(super) fn heads_statement(word: &[u8]) -> bool {
    matches!(word, b"if" | b"while" | b"for" | b"with")
}
