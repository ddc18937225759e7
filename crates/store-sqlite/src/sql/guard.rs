//! What a function's SQL may say. A word-by-word look is enough: statements are allowed by name,
//! and none of those that are can open another file.

use tandem_contract::{Error, ErrorKind, Result};

const ALLOWED: [&str; 12] = [
    "SELECT", "VALUES", "WITH", "INSERT", "REPLACE", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER",
    "EXPLAIN", "ANALYZE",
];

/// Checks `text`; returns how many parameters it takes.
///
/// # Errors
/// `NotSupported` naming a statement or function that is left out; `InvalidArgument` for no
/// statement, more than one, or named parameters.
pub(super) fn check(text: &str) -> Result<usize> {
    let tokens: Vec<Token<'_>> = Tokens { rest: text }.collect();
    let first = match tokens.iter().find(|token| **token != Token::End) {
        Some(Token::Word(word)) => word.to_ascii_uppercase(),
        Some(_) => return Err(invalid("A statement begins with a word such as SELECT")),
        None => return Err(invalid("The text holds no statement")),
    };
    check_statement(&first)?;
    let mut words = tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.to_ascii_uppercase()),
        _ => None,
    });
    if first == "EXPLAIN" {
        let explained = words.by_ref().skip(1).find(|word| !matches!(word.as_str(), "QUERY" | "PLAN"));
        check_statement(&explained.unwrap_or_default())?;
    } else if first == "CREATE" {
        let made = words.by_ref().skip(1).find(|word| !matches!(word.as_str(), "TEMP" | "TEMPORARY"));
        check_created(&made.unwrap_or_default())?;
    }
    check_names(&tokens)?;
    check_single(&tokens)?;
    count_parameters(&tokens)
}

fn check_statement(word: &str) -> Result<()> {
    if ALLOWED.contains(&word) {
        return Ok(());
    }
    Err(not_supported(word))
}

fn check_created(word: &str) -> Result<()> {
    match word {
        // Its body holds statements of its own.
        "TRIGGER" => Err(not_supported("CREATE TRIGGER")),
        "VIRTUAL" => Err(not_supported("CREATE VIRTUAL TABLE")),
        _ => Ok(()),
    }
}

/// Pragmas can be read as tables, in any kind of quotes; they tell where files are.
fn check_names(tokens: &[Token<'_>]) -> Result<()> {
    for token in tokens {
        let (Token::Word(name) | Token::Quoted(name)) = token else { continue };
        let name = name.to_ascii_lowercase();
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if name == "load_extension" || (name.starts_with("pragma_") && plain) {
            return Err(not_supported(&name));
        }
    }
    Ok(())
}

fn check_single(tokens: &[Token<'_>]) -> Result<()> {
    let mut after_end =
        tokens.iter().skip_while(|token| **token == Token::End).skip_while(|token| **token != Token::End);
    match after_end.find(|token| **token != Token::End) {
        Some(_) => Err(invalid("One call runs one statement: nothing may follow the `;`")),
        None => Ok(()),
    }
}

fn count_parameters(tokens: &[Token<'_>]) -> Result<usize> {
    let (mut highest, mut next) = (0, 1);
    for token in tokens {
        match token {
            Token::Parameter("") => {
                highest = highest.max(next);
                next += 1;
            }
            Token::Parameter(number) => {
                let number: usize =
                    number.parse().map_err(|_| invalid(&format!("?{number} is not a parameter")))?;
                highest = highest.max(number);
                next = next.max(number + 1);
            }
            Token::Named(sign) => {
                return Err(invalid(&format!("Parameters are written ? or ?1, not with {sign}")));
            }
            _ => {}
        }
    }
    Ok(highest)
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("SQL: {message}"))
}

fn not_supported(what: &str) -> Error {
    Error::not_supported(&format!("{what} in cloud.sql"), "sqlite")
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    /// In any kind of quotes, without them.
    Quoted(&'a str),
    /// `?` and the number after it.
    Parameter(&'a str),
    /// `$`, `:` or `@` outside a word: a parameter with a name.
    Named(char),
    /// `;`
    End,
    Other,
}

/// Cuts a text as SQLite's tokenizer does, spaces and comments left out.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0c']);
            if self.rest.starts_with("--") {
                self.take(self.rest.find('\n').unwrap_or(usize::MAX));
            } else if self.rest.starts_with("/*") {
                self.take(
                    self.rest.get(2..).and_then(|rest| rest.find("*/")).map_or(usize::MAX, |at| at + 4),
                );
            } else {
                return;
            }
        }
    }

    fn quoted(&mut self, close: char) -> Token<'a> {
        self.take(1);
        let inner = self.take(self.rest.find(close).unwrap_or(usize::MAX));
        self.take(1);
        Token::Quoted(inner)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        self.skip_blanks();
        let first = self.rest.chars().next()?;
        Some(match first {
            '\'' | '"' | '`' => self.quoted(first),
            '[' => self.quoted(']'),
            ';' => {
                self.take(1);
                Token::End
            }
            '?' => {
                self.take(1);
                let digits =
                    self.rest.len() - self.rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
                Token::Parameter(self.take(digits))
            }
            '$' | ':' | '@' | '#' => {
                self.take(1);
                Token::Named(first)
            }
            _ if is_word(first) => {
                let length = self.rest.find(|c: char| !is_word(c) && c != '$').unwrap_or(usize::MAX);
                Token::Word(self.take(length))
            }
            _ => {
                self.take(first.len_utf8());
                Token::Other
            }
        })
    }
}

/// Every character beyond ASCII may be part of a name.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use tandem_contract::ErrorKind;

    use super::check;

    #[test]
    fn counts_the_parameters_of_statements_it_allows() {
        for (text, parameters) in [
            ("SELECT 1", 0),
            (" -- note\n/* more */ select ?, ? ;  -- done", 2),
            ("INSERT INTO t VALUES (?2, ?1, ?)", 3),
            ("SELECT '?; DROP', \"a;b\", [c;d], `e;f`, 'it''s ?'", 0),
            ("CREATE TEMP TABLE t (a)", 0),
            ("explain query plan select * from t where a = ?", 1),
            (";SELECT 1;;", 0),
        ] {
            assert_eq!(check(text).unwrap(), parameters, "{text}");
        }
    }

    #[test]
    fn refuses_what_reaches_beyond_the_file() {
        for text in [
            "ATTACH 'x' AS y",
            "detach y",
            "PRAGMA journal_mode = DELETE",
            "EXPLAIN PRAGMA journal_mode = DELETE",
            "VACUUM INTO 'x'",
            "/* */ BEGIN",
            "COMMIT",
            "SAVEPOINT a",
            "SELECT load_extension('x')",
            "SELECT * FROM pragma_database_list",
            "SELECT * FROM 'pragma_database_list'",
            "SELECT * FROM \"PRAGMA_database_list\"",
            "CREATE TRIGGER a AFTER INSERT ON t BEGIN DELETE FROM t; END",
            "CREATE VIRTUAL TABLE a USING b",
        ] {
            assert_eq!(check(text).unwrap_err().kind(), ErrorKind::NotSupported, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_count() {
        for text in [
            "",
            "  -- nothing\n",
            "/* open",
            "SELECT 1; SELECT 2",
            "SELECT :name",
            "SELECT $0",
            "SELECT @a",
            "(SELECT 1)",
            "SELECT ?99999999999999999999999",
        ] {
            assert_eq!(check(text).unwrap_err().kind(), ErrorKind::InvalidArgument, "{text}");
        }
    }
}
