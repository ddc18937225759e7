//! What a function's SQL may say. Statements are allowed by name, and words that reach beyond the
//! schema of `cloud.sql` are refused wherever they stand. Where `sql_role` is set, the server's own
//! rights are a second fence behind this one.

use tandem_contract::{Error, ErrorKind, Result};

const ALLOWED: [&str; 13] = [
    "SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "CREATE", "DROP", "ALTER", "EXPLAIN",
    "TRUNCATE", "TABLE",
];

/// What may be made, changed and dropped.
const OBJECTS: [&str; 8] = ["TABLE", "INDEX", "UNIQUE", "VIEW", "SEQUENCE", "MATERIALIZED", "TYPE", "OR"];

/// Functions and places that run other texts, read files, or tell of other schemas. All that begins
/// with `pg_` is refused beside them.
const REFUSED: [&str; 24] = [
    "information_schema",
    "set_config",
    "current_setting",
    "dblink",
    "dblink_exec",
    "dblink_connect",
    "query_to_xml",
    "query_to_xmlschema",
    "query_to_xml_and_xmlschema",
    "table_to_xml",
    "table_to_xmlschema",
    "table_to_xml_and_xmlschema",
    "cursor_to_xml",
    "cursor_to_xmlschema",
    "schema_to_xml",
    "schema_to_xmlschema",
    "schema_to_xml_and_xmlschema",
    "database_to_xml",
    "database_to_xmlschema",
    "database_to_xml_and_xmlschema",
    "ts_stat",
    "ts_rewrite",
    "regclass",
    "setval",
];

/// Checks `text`, in which `hidden` is a schema that may not be named; returns how many parameters
/// it takes.
///
/// # Errors
/// `NotSupported` naming a statement or function that is left out; `InvalidArgument` for no
/// statement, more than one, or a text that does not end.
pub(super) fn check(text: &str, hidden: &str) -> Result<usize> {
    if text.contains('\0') {
        return Err(invalid("The text holds a NUL character"));
    }
    let tokens = Tokens { rest: text }.collect::<Result<Vec<_>>>()?;
    let mut words = tokens.iter().filter_map(|token| match token {
        Token::Word(word) => Some(word.to_ascii_uppercase()),
        _ => None,
    });
    let first = match tokens.iter().find(|token| !matches!(token, Token::End)) {
        Some(Token::Word(_)) => words.next().unwrap_or_default(),
        Some(_) => return Err(invalid("A statement begins with a word such as SELECT")),
        None => return Err(invalid("The text holds no statement")),
    };
    if !ALLOWED.contains(&first.as_str()) {
        return Err(not_supported(&first));
    }
    if first == "EXPLAIN" {
        const OPTIONS: [&str; 2] = ["ANALYZE", "VERBOSE"];
        let explained = words.find(|word| !OPTIONS.contains(&word.as_str())).unwrap_or_default();
        let plain = ["SELECT", "VALUES", "WITH", "INSERT", "UPDATE", "DELETE", "MERGE", "TABLE"];
        if !plain.contains(&explained.as_str()) {
            return Err(not_supported(&format!("EXPLAIN {explained}")));
        }
    } else if ["CREATE", "DROP", "ALTER"].contains(&first.as_str()) {
        let what = words.find(|word| !["TEMP", "TEMPORARY", "UNLOGGED"].contains(&word.as_str()));
        let what = what.unwrap_or_default();
        if !OBJECTS.contains(&what.as_str()) || what == "OR" && !makes_view(&mut words) {
            return Err(not_supported(&format!("{first} {what}")));
        }
    }
    check_names(&tokens, hidden)?;
    check_single(&tokens)?;
    let parameters = tokens.iter().filter_map(|token| match token {
        Token::Parameter(number) => Some(*number),
        _ => None,
    });
    Ok(parameters.max().unwrap_or(0))
}

/// `OR REPLACE` may be followed by a view, but not by a function or a trigger.
fn makes_view(words: &mut impl Iterator<Item = String>) -> bool {
    let mut rest = words.skip_while(|word| ["REPLACE", "TEMP", "TEMPORARY"].contains(&word.as_str()));
    rest.next().is_some_and(|word| word == "VIEW")
}

fn check_names(tokens: &[Token], hidden: &str) -> Result<()> {
    for token in tokens {
        let (Token::Word(name) | Token::Quoted(name)) = token else { continue };
        let name = name.to_ascii_lowercase();
        let refused = name.starts_with("pg_")
            || name.starts_with("lo_")
            || name == hidden
            || REFUSED.contains(&name.as_str())
            // `SELECT … INTO`, `SET SCHEMA` and owners would leave the schema or its role.
            || ["owner", "tablespace", "schema"].contains(&name.as_str()) && matches!(token, Token::Word(_));
        if refused {
            return Err(not_supported(&name));
        }
    }
    Ok(())
}

fn check_single(tokens: &[Token]) -> Result<()> {
    let is_end = |token: &&Token| matches!(token, Token::End);
    let mut after_end = tokens.iter().skip_while(is_end).skip_while(|token| !is_end(token));
    match after_end.find(|token| !is_end(token)) {
        Some(_) => Err(invalid("One call runs one statement: nothing may follow the `;`")),
        None => Ok(()),
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("SQL: {message}"))
}

fn not_supported(what: &str) -> Error {
    Error::not_supported(&format!("{what} in cloud.sql"), "postgres")
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    /// An identifier in quotes, without them.
    Quoted(String),
    /// `$` and a number.
    Parameter(usize),
    /// `;`
    End,
    /// A text, a number or a sign.
    Other,
}

/// Cuts a text as Postgres' scanner does
/// (<https://www.postgresql.org/docs/current/sql-syntax-lexical.html>), spaces and comments left
/// out.
struct Tokens<'a> {
    rest: &'a str,
}

impl<'a> Tokens<'a> {
    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        taken
    }

    fn skip_blanks(&mut self) -> Result<()> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
            if self.rest.starts_with("--") {
                self.take(self.rest.find(['\n', '\r']).unwrap_or(usize::MAX));
            } else if self.rest.starts_with("/*") {
                self.skip_comment()?;
            } else {
                return Ok(());
            }
        }
    }

    /// Comments nest.
    fn skip_comment(&mut self) -> Result<()> {
        let mut depth = 0;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.take(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.take(2);
                if depth == 0 {
                    return Ok(());
                }
            } else {
                let first = self.rest.chars().next().ok_or_else(|| invalid("A comment does not end"))?;
                self.take(first.len_utf8());
            }
        }
    }

    /// What stands between two of `quote`; doubled ones stand for themselves, and where `escapes`
    /// are on, a backslash takes what follows it along.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<String> {
        self.take(1);
        let mut inner = String::new();
        loop {
            let next = self.rest.chars().next().ok_or_else(|| invalid("A quote does not end"))?;
            self.take(next.len_utf8());
            if escapes && next == '\\' {
                let taken = self.rest.chars().next().ok_or_else(|| invalid("A quote does not end"))?;
                self.take(taken.len_utf8());
            } else if next != quote {
                inner.push(next);
            } else if self.rest.starts_with(quote) {
                self.take(1);
                inner.push(quote);
            } else {
                return Ok(inner);
            }
        }
    }

    /// `$1`, or a text between two of `$tag$`.
    fn dollar(&mut self) -> Result<Token> {
        let after = &self.rest[1..];
        let digits = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            self.take(1);
            let number = self.take(digits);
            let number = number.parse().ok().filter(|number| (1..=65535).contains(number));
            return number.map(Token::Parameter).ok_or_else(|| invalid("Parameters are $1, $2 and so on"));
        }
        let tag = after.len() - after.trim_start_matches(is_word).len();
        if after[tag..].starts_with('$') {
            let fence = self.take(tag + 2);
            let end = self.rest.find(fence).ok_or_else(|| invalid("A quote does not end"))?;
            self.take(end + fence.len());
            return Ok(Token::Other);
        }
        Err(invalid("Parameters are $1, $2 and so on"))
    }

    fn word(&mut self) -> Result<Token> {
        let length = self.rest.find(|c: char| !is_word(c) && c != '$').unwrap_or(usize::MAX);
        let word = self.take(length);
        let quote = self.rest.chars().next();
        match (word.to_ascii_lowercase().as_str(), quote) {
            ("e", Some('\'')) => self.quoted('\'', true).map(|_| Token::Other),
            // Escapes in names and texts that this does not read.
            ("u", Some('&')) if self.rest[1..].starts_with(['\'', '"']) => Err(not_supported("U&")),
            ("b" | "x" | "n", Some('\'')) => self.quoted('\'', false).map(|_| Token::Other),
            _ => Ok(Token::Word(word.to_owned())),
        }
    }
}

impl Iterator for Tokens<'_> {
    type Item = Result<Token>;

    fn next(&mut self) -> Option<Result<Token>> {
        if let Err(error) = self.skip_blanks() {
            self.rest = "";
            return Some(Err(error));
        }
        let first = self.rest.chars().next()?;
        let token = match first {
            '\'' => self.quoted('\'', false).map(|_| Token::Other),
            '"' => self.quoted('"', false).map(Token::Quoted),
            '$' => self.dollar(),
            ';' => {
                self.take(1);
                Ok(Token::End)
            }
            _ if is_word(first) && !first.is_ascii_digit() => self.word(),
            _ if first.is_ascii_digit() => {
                let length = self.rest.find(|c: char| !is_word(c) && c != '.').unwrap_or(usize::MAX);
                self.take(length);
                Ok(Token::Other)
            }
            _ => {
                self.take(first.len_utf8());
                Ok(Token::Other)
            }
        };
        if token.is_err() {
            self.rest = "";
        }
        Some(token)
    }
}

/// Every character beyond ASCII may be part of a name.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_parameters_of_statements_it_allows() {
        for (text, parameters) in [
            ("SELECT 1", 0),
            (" -- note\n/* more /* nested */ */ select $1, $2 ;  -- done", 2),
            ("INSERT INTO t VALUES ($2, $1)", 2),
            ("SELECT '$9; DROP', \"a;b\", E'it\\'s $9', $$ $8; $$, $tag$ ' $9 $tag$", 0),
            ("CREATE TEMP TABLE t (a int)", 0),
            ("create or replace view v as select 1", 0),
            ("explain analyze select * from t where a = $1", 1),
            (";SELECT 1;;", 0),
            ("WITH x AS (SELECT 1) SELECT * FROM x", 0),
            ("SELECT 'pg_shadow', 'tandem.functions'", 0),
        ] {
            assert_eq!(check(text, "tandem").unwrap(), parameters, "{text}");
        }
    }

    #[test]
    fn refuses_what_reaches_beyond_the_schema() {
        for text in [
            "SET search_path = tandem",
            "RESET ROLE",
            "COPY t TO PROGRAM 'x'",
            "DO $$ BEGIN END $$",
            "/* */ BEGIN",
            "COMMIT",
            "LISTEN x",
            "VACUUM",
            "GRANT ALL ON t TO x",
            "ATTACH DATABASE 'x' AS y",
            "SELECT * FROM tandem.functions",
            "SELECT * FROM \"tandem\".functions",
            "SELECT * FROM TanDem . functions",
            "SELECT * FROM U&\"t\\0061ndem\".functions",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT \"pg_sleep\"(1)",
            "SELECT * FROM pg_catalog.pg_authid",
            "SELECT * FROM information_schema.tables",
            "SELECT query_to_xml('select 1', true, true, '')",
            "SELECT set_config('search_path', 'tandem', false)",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",
            "CREATE OR REPLACE FUNCTION f() RETURNS int LANGUAGE sql AS 'select 1'",
            "CREATE TRIGGER a AFTER INSERT ON t EXECUTE FUNCTION f()",
            "CREATE EXTENSION dblink",
            "ALTER ROLE x SUPERUSER",
            "ALTER TABLE t SET SCHEMA public",
            "ALTER TABLE t OWNER TO x",
            "DROP SCHEMA public",
            "EXPLAIN EXECUTE x",
            "SELECT lo_import('/etc/passwd')",
        ] {
            assert_eq!(check(text, "tandem").unwrap_err().kind(), ErrorKind::NotSupported, "{text}");
        }
    }

    #[test]
    fn refuses_what_it_cannot_read() {
        for text in [
            "",
            "  -- nothing\n",
            "/* open",
            "/* open /* */",
            "SELECT 1; SELECT 2",
            "SELECT 'open",
            "SELECT $tag$ open",
            "SELECT $0",
            "SELECT $a",
            "(SELECT 1)",
            "SELECT $99999",
            "SELECT '\0'",
        ] {
            assert_eq!(check(text, "tandem").unwrap_err().kind(), ErrorKind::InvalidArgument, "{text:?}");
        }
    }
}
