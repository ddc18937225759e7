use super::Nesting;
use super::words::{Before, classify, continues, heads_statement};

/// Tokens that a `do` counts for: its statement is indented, so that the length of the output grows
/// with the square of how deep they nest.
const DO_TOKENS: usize = 40;

/// Reads a text once, token by token.
pub(super) struct Scan<'a> {
    source: &'a str,
    text: &'a [u8],
    at: usize,
    nesting: Nesting,
    levels: Vec<Level>,
    /// Tokens counted in the levels below the innermost.
    outer_tokens: usize,
    before: Before,
    /// Whether a line ended since the last token.
    new_line: bool,
    /// Whether the last token was `for`, `if`, … or `for await`.
    header: bool,
    /// Set when it is not known what the characters are; see the module.
    loose: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    Text,
    Paren { header: bool },
    Bracket,
    Brace,
    Template,
    Substitution,
}

/// A bracket that is open, or the whole text.
struct Level {
    opener: Opener,
    /// Tokens since the last statement or element ended.
    tokens: usize,
    /// `<` since the last statement ended: in nested type arguments a comma ends nothing.
    angles: usize,
    /// `tokens` before the last `;`, for an `else` that follows it.
    ended: usize,
}

impl Level {
    const fn new(opener: Opener) -> Self {
        Self { opener, tokens: 0, angles: 0, ended: 0 }
    }
}

impl<'a> Scan<'a> {
    pub(super) fn new(text: &'a str, loose: bool) -> Self {
        Self {
            source: text,
            text: text.as_bytes(),
            at: 0,
            nesting: Nesting::default(),
            levels: vec![Level::new(Opener::Text)],
            outer_tokens: 0,
            before: Before::Operator,
            new_line: true,
            header: false,
            loose: loose || text.starts_with("\u{feff}#"),
        }
    }

    pub(super) fn run(mut self) -> Nesting {
        if self.text.starts_with(b"#!") {
            self.skip_line();
        }
        while let Some(&byte) = self.text.get(self.at)
            && !self.nesting.is_too_deep()
        {
            self.token(byte);
        }
        self.nesting
    }

    fn token(&mut self, byte: u8) {
        match byte {
            b'\n' | b'\r' => {
                self.new_line = true;
                self.at += 1;
            }
            b' ' | b'\t' | 0x0b | 0x0c => self.at += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'$' | b'\\' | 0x80.. => self.word(),
            b'(' => self.open(Opener::Paren { header: self.header }),
            b'[' => self.open(Opener::Bracket),
            b'{' => self.open(Opener::Brace),
            b')' | b']' | b'}' => self.close(byte),
            b'"' | b'\'' if !self.loose => self.string(byte),
            b'`' if !self.loose => {
                self.open(Opener::Template);
                self.quasi();
            }
            b'/' if !self.loose => self.slash(),
            b';' | b',' => self.separator(byte),
            _ => self.operator(byte),
        }
    }

    fn word(&mut self) {
        if let Some((length, ends_line)) = self.wide_space(self.at) {
            self.new_line |= ends_line;
            self.at += length;
            return;
        }
        let start = self.at;
        while let Some(&byte) = self.text.get(self.at) {
            let part = match byte {
                b'_' | b'$' | b'\\' => true,
                0x80.. => self.wide_space(self.at).is_none(),
                byte => byte.is_ascii_alphanumeric(),
            };
            if !part {
                break;
            }
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        let property = self.is_property(start);
        self.begin_statement_at(word);
        self.count(if word == b"do" && !property { DO_TOKENS } else { 1 });
        let after_for = self.header && word == b"await";
        self.header = after_for || (!property && heads_statement(word));
        self.before = if property { Before::Operand } else { classify(word) };
        self.new_line = false;
    }

    /// The length of the white space outside ASCII at `at`, if there is one, and whether it ends
    /// a line.
    fn wide_space(&self, at: usize) -> Option<(usize, bool)> {
        let char = self.source.get(at..)?.chars().next()?;
        let space = !char.is_ascii() && (char.is_whitespace() || char == '\u{feff}');
        space.then(|| (char.len_utf8(), matches!(char, '\u{2028}' | '\u{2029}')))
    }

    /// Whether a line ends at `at`.
    fn line_ends(&self, at: usize) -> bool {
        match self.text.get(at) {
            Some(b'\n' | b'\r') => true,
            Some(0xe2) => self.wide_space(at).is_some_and(|(_, ends_line)| ends_line),
            _ => false,
        }
    }

    /// Whether the word at `start` follows `.` or `#`, but not `...`.
    fn is_property(&self, start: usize) -> bool {
        match &self.text[..start] {
            [.., b'.', b'.'] => false,
            [.., b'.' | b'#'] => true,
            _ => false,
        }
    }

    /// Ends the last statement if `word`, not counted yet, cannot belong to it.
    fn begin_statement_at(&mut self, word: &[u8]) {
        if self.loose {
            return;
        }
        let Some(level) = self.levels.last_mut() else { return };
        if word == b"else" && level.tokens == 0 {
            level.tokens = level.ended;
        } else if !continues(word)
            && (self.before == Before::Brace || (self.new_line && self.before == Before::Operand))
        {
            *level = Level::new(level.opener);
        }
    }

    fn separator(&mut self, byte: u8) {
        if self.loose {
            self.count(1);
        } else if let Some(level) = self.levels.last_mut() {
            if byte == b';' {
                *level = Level { ended: level.tokens, ..Level::new(level.opener) };
            } else {
                level.tokens = level.angles;
            }
        }
        self.punctuation(Before::Operator);
    }

    fn operator(&mut self, byte: u8) {
        let rest = &self.text[self.at..];
        self.count(1);
        // An HTML-like comment hides the rest of its line in scripts, but not in modules.
        self.loose |= rest.starts_with(b"<!--") || (self.new_line && rest.starts_with(b"-->"));
        if byte == b'<'
            && let Some(level) = self.levels.last_mut()
        {
            level.angles += 1;
        }
        let before = match rest {
            [b'+', b'+', ..] | [b'-', b'-', ..] => {
                self.at += 1;
                self.count(1);
                Before::Unsure
            }
            [b'=', b'>', ..] => {
                self.at += 1;
                Before::Operator
            }
            [b'>', ..] => Before::Unsure,
            // `x!` asserts in TypeScript; anywhere else `!` negates.
            [b'!', ..] if !self.new_line && matches!(self.before, Before::Operand | Before::Unsure) => {
                Before::Unsure
            }
            _ => Before::Operator,
        };
        self.punctuation(before);
    }

    /// Goes past one character after which `before` holds.
    fn punctuation(&mut self, before: Before) {
        self.at += 1;
        self.before = before;
        self.new_line = false;
        self.header = false;
    }

    fn open(&mut self, opener: Opener) {
        self.count(1);
        self.outer_tokens += self.levels.last().map_or(0, |level| level.tokens);
        self.levels.push(Level::new(opener));
        self.nesting.include(self.levels.len() - 1, self.outer_tokens, self.at);
        if !self.loose {
            self.nesting.open = self.nesting.open.max(self.levels.len() - 1);
        }
        self.punctuation(Before::Operator);
    }

    fn close(&mut self, byte: u8) {
        if self.loose {
            self.count(1);
            return self.punctuation(Before::Operand);
        }
        let opener = self.levels.last().map_or(Opener::Text, |level| level.opener);
        let before = match (opener, byte) {
            (Opener::Paren { header: true }, b')') => Before::Header,
            (Opener::Paren { .. }, b')') | (Opener::Bracket, b']') => Before::Operand,
            (Opener::Brace, b'}') => Before::Brace,
            (Opener::Substitution, b'}') => {
                self.pop();
                self.at += 1;
                return self.quasi();
            }
            _ => {
                self.loose = true;
                return;
            }
        };
        self.pop();
        self.punctuation(before);
    }

    fn pop(&mut self) {
        self.levels.pop();
        self.outer_tokens -= self.levels.last().map_or(0, |level| level.tokens);
    }

    /// Reads the characters of a template up to its end or its next substitution.
    fn quasi(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b'\\' => self.at += 2,
                b'`' => {
                    self.pop();
                    return self.punctuation(Before::Operand);
                }
                b'$' if self.text.get(self.at + 1) == Some(&b'{') => {
                    self.at += 1;
                    return self.open(Opener::Substitution);
                }
                _ => self.at += 1,
            }
        }
    }

    fn string(&mut self, quote: u8) {
        self.count(1);
        let mut at = self.at + 1;
        loop {
            match self.text.get(at) {
                Some(b'\\') if self.text[at..].starts_with(b"\\\r\n") => at += 3,
                Some(b'\\') => at += 2,
                Some(byte) if *byte == quote => break,
                None | Some(b'\n' | b'\r') => {
                    self.loose = true;
                    return self.punctuation(Before::Operand);
                }
                Some(_) => at += 1,
            }
        }
        self.at = at;
        self.punctuation(Before::Operand);
    }

    fn slash(&mut self) {
        match self.text.get(self.at + 1) {
            Some(b'/') => return self.skip_line(),
            Some(b'*') => return self.skip_comment(),
            _ => {}
        }
        let end = self.regular_expression_end();
        match (self.before, end) {
            (Before::Operand, _) | (Before::Unsure | Before::Brace, None) => self.operator(b'/'),
            (Before::Operator | Before::Keyword | Before::Header, Some(end)) => self.regular_expression(end),
            (Before::Operator | Before::Keyword | Before::Header, None) => self.loose = true,
            (Before::Unsure | Before::Brace, Some(end)) if is_harmless(&self.text[self.at + 1..end - 1]) => {
                self.regular_expression(end);
            }
            (Before::Unsure | Before::Brace, Some(_)) => self.loose = true,
        }
    }

    /// Goes past a regular expression, whose groups and classes nest too; or past operands between
    /// two divisions, which count as many tokens as they have bytes at most.
    fn regular_expression(&mut self, end: usize) {
        let body = &self.text[self.at + 1..end - 1];
        let brackets = body.iter().filter(|byte| matches!(byte, b'(' | b'[' | b'{')).count();
        let tokens = if self.before == Before::Operator { 0 } else { body.len() };
        self.nesting.include(self.levels.len() + brackets, self.tokens() + tokens, self.at);
        self.count(1);
        self.at = end - 1;
        self.punctuation(Before::Operand);
    }

    /// Where the regular expression ends whose first `/` is the next character, if one does on
    /// this line.
    fn regular_expression_end(&self) -> Option<usize> {
        let mut class = false;
        let mut at = self.at + 1;
        loop {
            match self.text.get(at)? {
                _ if self.line_ends(at) => return None,
                b'\\' => at += 1,
                b'[' => class = true,
                b']' => class = false,
                b'/' if !class => return Some(at + 1),
                _ => {}
            }
            at += 1;
        }
    }

    fn skip_line(&mut self) {
        while self.at < self.text.len() && !self.line_ends(self.at) {
            self.at += 1;
        }
    }

    fn skip_comment(&mut self) {
        let body = &self.text[self.at + 2..];
        let end = body.windows(2).position(|pair| pair == b"*/");
        self.new_line |=
            body[..end.unwrap_or(body.len())].iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0xe2));
        self.at = end.map_or(self.text.len(), |end| self.at + end + 4);
    }

    fn count(&mut self, tokens: usize) {
        if let Some(level) = self.levels.last_mut() {
            level.tokens += tokens;
        }
        self.nesting.include(self.levels.len() - 1, self.tokens(), self.at);
    }

    fn tokens(&self) -> usize {
        self.outer_tokens + self.levels.last().map_or(0, |level| level.tokens)
    }
}

/// Whether a text between two slashes leaves the scan in the same state whether it is a regular
/// expression or operands between two divisions.
fn is_harmless(body: &[u8]) -> bool {
    let mut open = Vec::new();
    for byte in body {
        match byte {
            b'"' | b'\'' | b'`' | b'/' | b'\\' | b'*' => return false,
            b'(' => open.push(b')'),
            b'[' => open.push(b']'),
            b'{' => open.push(b'}'),
            b')' | b']' | b'}' if open.pop() != Some(*byte) => return false,
            _ => {}
        }
    }
    open.is_empty()
}
