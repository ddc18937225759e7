//! Translates PCRE syntax to that of the engines, construct by construct. What is not known here is
//! refused by name, because the engines read the same text differently.

use tandem_contract::Result;

use super::classes::{self, Shorthand};
use crate::error::{invalid, not_supported};

/// How the text ends that a translation is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// Not with a line feed: `$` is the end.
    End,
    /// With a line feed: `$` is the end or just before it.
    BeforeLineFeed,
}

/// A pattern in the syntax of the engines.
pub(super) struct Translation {
    pub(super) pattern: String,
    /// It needs look-around, back-references or atomic groups.
    pub(super) backtracks: bool,
    /// It means something else on a text that ends with a line feed.
    pub(super) depends_on_ending: bool,
    /// It has an ASCII shorthand in a bracketed class while case is ignored.
    pub(super) ascii_class_ignores_case: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Flags {
    pub(super) ignore_case: bool,
    multi_line: bool,
    dot_all: bool,
    extended: bool,
}

/// Translates `source`.
pub(super) fn translate(source: &str, options: &str, ending: Ending) -> Result<Translation> {
    let has = |flag: char| options.contains(flag);
    let flags = Flags { ignore_case: has('i'), multi_line: has('m'), dot_all: has('s'), extended: has('x') };
    let mut translator = Translator {
        source,
        rest: source,
        flags,
        ending,
        groups: Vec::new(),
        repeatable: Repeatable::No,
        out: Translation {
            pattern: String::new(),
            backtracks: false,
            depends_on_ending: false,
            ascii_class_ignores_case: false,
        },
    };
    translator.leading_flags()?;
    // Look-arounds in place of `\b` are chosen only if the pattern backtracks anyway, which is known
    // only at its end.
    let start = (translator.rest, translator.flags);
    translator.run()?;
    if translator.out.backtracks {
        (translator.rest, translator.flags) = start;
        translator.out.pattern.clear();
        translator.repeatable = Repeatable::No;
        translator.run()?;
    }
    Ok(translator.out)
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeatable {
    No,
    /// An assertion: PCRE repeats it, the engines disagree on what that means.
    Assertion,
    Yes,
}

pub(super) struct Translator<'a> {
    source: &'a str,
    pub(super) rest: &'a str,
    pub(super) flags: Flags,
    ending: Ending,
    groups: Vec<(Flags, Repeatable)>,
    /// Whether what was read last may be repeated.
    repeatable: Repeatable,
    pub(super) out: Translation,
}

impl Translator<'_> {
    fn run(&mut self) -> Result<()> {
        if self.flags.ignore_case {
            self.out.pattern.push_str("(?i)");
        }
        while let Some(next) = self.take() {
            match next {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.open()?,
                ')' => self.close()?,
                '|' => self.emit("|", Repeatable::No),
                '.' => self.emit(if self.flags.dot_all { "(?s:.)" } else { "[^\\n]" }, Repeatable::Yes),
                '^' => self.caret(),
                '$' => self.dollar(),
                '*' | '+' | '?' => self.quantifier(next.to_string())?,
                '{' => match self.counts() {
                    Some(counts) => self.quantifier(counts)?,
                    None => self.literal('{'),
                },
                '#' if self.flags.extended => {
                    self.rest = self.rest.split_once('\n').map_or("", |(_, rest)| rest);
                }
                _ if self.flags.extended && classes::is_space(next) => {}
                _ => self.literal(next),
            }
        }
        if self.groups.is_empty() { Ok(()) } else { Err(self.wrong("a parenthesis is not closed")) }
    }

    pub(super) fn take(&mut self) -> Option<char> {
        let next = self.rest.chars().next()?;
        self.rest = &self.rest[next.len_utf8()..];
        Some(next)
    }

    pub(super) fn skip(&mut self, prefix: &str) -> bool {
        let rest = self.rest.strip_prefix(prefix);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    pub(super) fn emit(&mut self, text: &str, repeatable: Repeatable) {
        self.out.pattern.push_str(text);
        self.repeatable = repeatable;
    }

    fn literal(&mut self, character: char) {
        let mut buffer = [0; 4];
        let escaped = regex::escape(character.encode_utf8(&mut buffer));
        self.emit(&escaped, Repeatable::Yes);
    }

    pub(super) fn wrong(&self, problem: &str) -> tandem_contract::Error {
        invalid(format!("The regular expression /{}/ is invalid: {problem}", self.source))
    }

    pub(super) fn left_out(&self, construct: &str) -> tandem_contract::Error {
        not_supported(format!("{construct} in the regular expression /{}/", self.source))
    }

    /// `(?imsx)` at the start holds for the whole pattern; `(*UTF8)` says what is so anyway.
    fn leading_flags(&mut self) -> Result<()> {
        while self.skip("(*UTF8)") || self.skip("(*UTF)") {}
        while let Some(inner) = self.rest.strip_prefix("(?") {
            let end = inner.find(|c: char| !"imsx-".contains(c)).unwrap_or(inner.len());
            if end == 0 || !inner[end..].starts_with(')') {
                break;
            }
            self.flags = self.changed_flags(&inner[..end])?;
            self.rest = &inner[end + 1..];
        }
        Ok(())
    }

    fn changed_flags(&self, letters: &str) -> Result<Flags> {
        let mut flags = self.flags;
        let mut on = true;
        for letter in letters.chars() {
            match letter {
                'i' => flags.ignore_case = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_all = on,
                'x' => flags.extended = on,
                '-' if on => on = false,
                _ => return Err(self.wrong("its flags are malformed")),
            }
        }
        Ok(flags)
    }

    fn caret(&mut self) {
        let text = match (self.flags.multi_line, self.ending) {
            (false, _) => "\\A",
            (true, Ending::End) => "(?m:^)",
            // PCRE sees no line after a line feed that ends the text.
            (true, Ending::BeforeLineFeed) => {
                self.out.backtracks = true;
                "(?:(?m:^)(?!\\z)|\\A)"
            }
        };
        self.out.depends_on_ending |= self.flags.multi_line;
        self.emit(text, Repeatable::Assertion);
    }

    fn dollar(&mut self) {
        if self.flags.multi_line {
            self.emit("(?m:$)", Repeatable::Assertion);
        } else {
            self.end_of_text();
        }
    }

    fn end_of_text(&mut self) {
        self.out.depends_on_ending = true;
        match self.ending {
            Ending::End => self.emit("\\z", Repeatable::Assertion),
            Ending::BeforeLineFeed => {
                self.out.backtracks = true;
                self.emit("(?=\\n?\\z)", Repeatable::Assertion);
            }
        }
    }

    /// `{2}`, `{2,}` or `{2,3}`; anything else in braces is literal in PCRE.
    fn counts(&mut self) -> Option<String> {
        let end = self.rest.find('}')?;
        let (low, high) = self.rest[..end].split_once(',').unwrap_or((&self.rest[..end], "0"));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if low.is_empty() || !digits(low) || !digits(high) {
            return None;
        }
        let counts = format!("{{{}}}", &self.rest[..end]);
        self.rest = &self.rest[end + 1..];
        Some(counts)
    }

    fn quantifier(&mut self, mut quantifier: String) -> Result<()> {
        match self.repeatable {
            Repeatable::No => return Err(self.wrong("nothing to repeat")),
            Repeatable::Assertion => return Err(self.left_out("a repeated assertion")),
            Repeatable::Yes => {}
        }
        if self.skip("?") {
            quantifier.push('?');
        } else if self.skip("+") {
            quantifier.push('+');
            self.out.backtracks = true;
        }
        self.emit(&quantifier, Repeatable::No);
        Ok(())
    }

    fn open(&mut self) -> Result<()> {
        if self.rest.starts_with('*') {
            return Err(self.left_out("a verb (*…)"));
        }
        let outer = self.flags;
        let mut after = Repeatable::Yes;
        if !self.skip("?") {
            self.out.pattern.push('(');
        } else if self.skip("#") {
            let Some((_, rest)) = self.rest.split_once(')') else {
                return Err(self.wrong("a comment is not closed"));
            };
            self.rest = rest;
            return Ok(());
        } else if let Some(look) = ["=", "!", "<=", "<!"].into_iter().find(|look| self.rest.starts_with(look))
        {
            self.rest = &self.rest[look.len()..];
            self.out.backtracks = true;
            self.out.pattern.push_str(&format!("(?{look}"));
            after = Repeatable::Assertion;
        } else if self.skip(">") {
            self.out.backtracks = true;
            self.out.pattern.push_str("(?>");
        } else if self.skip("P<") || self.skip("<") {
            self.name('>')?;
        } else if self.skip("'") {
            self.name('\'')?;
        } else {
            self.flag_group()?;
        }
        self.groups.push((outer, after));
        self.repeatable = Repeatable::No;
        Ok(())
    }

    fn name(&mut self, end: char) -> Result<()> {
        let Some((name, rest)) = self.rest.split_once(end) else {
            return Err(self.wrong("the name of a group is not closed"));
        };
        let word = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !word || name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
            return Err(self.wrong("the name of a group is malformed"));
        }
        self.out.pattern.push_str(&format!("(?P<{name}>"));
        self.rest = rest;
        Ok(())
    }

    /// `(?:` or `(?i-s:`.
    fn flag_group(&mut self) -> Result<()> {
        let end = self.rest.find(|c: char| !"imsx-".contains(c)).unwrap_or(self.rest.len());
        let (letters, rest) = self.rest.split_at(end);
        let Some(rest) = rest.strip_prefix(':') else {
            return Err(self.left_out("a group (?… other than a plain, named, look-around or atomic one"));
        };
        self.flags = self.changed_flags(letters)?;
        self.rest = rest;
        self.out.pattern.push_str(if self.flags.ignore_case { "(?i:" } else { "(?-i:" });
        Ok(())
    }

    fn close(&mut self) -> Result<()> {
        let Some((flags, after)) = self.groups.pop() else {
            return Err(self.wrong("a parenthesis is not opened"));
        };
        self.flags = flags;
        self.emit(")", after);
        Ok(())
    }

    fn escape(&mut self) -> Result<()> {
        let Some(next) = self.take() else { return Err(self.wrong("a backslash ends it")) };
        if let Some(shorthand) = Shorthand::of(next) {
            let text = format!("(?-i:{})", shorthand.bracketed());
            self.emit(&text, Repeatable::Yes);
            return Ok(());
        }
        match next {
            'b' => self.word_boundary(false),
            'B' => self.word_boundary(true),
            'A' => self.emit("\\A", Repeatable::Assertion),
            'z' => self.emit("\\z", Repeatable::Assertion),
            'Z' => self.end_of_text(),
            'N' => self.emit("[^\\n]", Repeatable::Yes),
            'Q' => {
                let (quoted, rest) = self.rest.split_once("\\E").unwrap_or((self.rest, ""));
                self.rest = rest;
                quoted.chars().for_each(|character| self.literal(character));
            }
            'E' => {}
            'p' | 'P' => {
                let property = self.property(next)?;
                self.emit(&property, Repeatable::Yes);
            }
            'k' => self.named_reference()?,
            '1'..='9' => self.numbered_reference(next)?,
            _ => {
                let character = self.character(next)?;
                self.literal(character);
            }
        }
        Ok(())
    }

    fn word_boundary(&mut self, negated: bool) {
        const WORD: &str = "(?-i:[0-9A-Za-z_])";
        // The linear engine cannot rule out positions inside a character for `\B`.
        self.out.backtracks |= negated;
        let text = match (self.out.backtracks, negated) {
            (false, _) => "(?-u:\\b)".to_owned(),
            (true, false) => format!("(?:(?<={WORD})(?!{WORD})|(?<!{WORD})(?={WORD}))"),
            (true, true) => format!("(?:(?<={WORD})(?={WORD})|(?<!{WORD})(?!{WORD}))"),
        };
        self.emit(&text, Repeatable::Assertion);
    }

    fn named_reference(&mut self) -> Result<()> {
        let close = match self.take() {
            Some('<') => '>',
            Some('{') => '}',
            Some('\'') => '\'',
            _ => return Err(self.wrong("\\k needs a name")),
        };
        let Some((name, rest)) = self.rest.split_once(close) else {
            return Err(self.wrong("\\k needs a name"));
        };
        self.reference(&format!("(?P={name})"))?;
        self.rest = rest;
        Ok(())
    }

    fn numbered_reference(&mut self, first: char) -> Result<()> {
        if self.rest.starts_with(|next: char| next.is_ascii_digit()) {
            return Err(self.left_out("an octal escape or a reference above 9"));
        }
        self.reference(&format!("(?:\\{first})"))
    }

    fn reference(&mut self, text: &str) -> Result<()> {
        self.out.backtracks = true;
        if self.flags.ignore_case {
            return Err(self.left_out("a back-reference that ignores case"));
        }
        self.emit(text, Repeatable::Yes);
        Ok(())
    }

    /// A general category such as `\p{Lu}` or `\pL`; never folded by `i`.
    pub(super) fn property(&mut self, letter: char) -> Result<String> {
        let rest = self.rest;
        let (name, rest) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').ok_or_else(|| self.wrong("\\p{ is not closed"))?,
            None => rest.split_at(rest.chars().next().map_or(0, char::len_utf8)),
        };
        if !classes::GENERAL_CATEGORIES.contains(&name) {
            return Err(self.left_out(&format!("\\{letter}{{{name}}}")));
        }
        self.rest = rest;
        Ok(format!("(?-i:\\{letter}{{{name}}})"))
    }

    /// The character an escape stands for.
    pub(super) fn character(&mut self, escape: char) -> Result<char> {
        Ok(match escape {
            'a' => '\u{7}',
            'e' => '\u{1b}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'x' => self.hexadecimal()?,
            '0' if !self.rest.starts_with(|next: char| next.is_digit(8)) => '\0',
            _ if !escape.is_ascii_alphanumeric() => escape,
            _ => return Err(self.left_out(&format!("\\{escape}"))),
        })
    }

    fn hexadecimal(&mut self) -> Result<char> {
        let rest = self.rest;
        let (digits, rest) = match rest.strip_prefix('{') {
            Some(inner) => inner.split_once('}').ok_or_else(|| self.wrong("\\x{ is not closed"))?,
            None => {
                let length = rest.bytes().take(2).take_while(u8::is_ascii_hexdigit).count();
                rest.split_at(length)
            }
        };
        let code = if digits.is_empty() { Some(0) } else { u32::from_str_radix(digits, 16).ok() };
        let character = code.and_then(char::from_u32);
        let character = character.ok_or_else(|| self.wrong("\\x is not a character"))?;
        self.rest = rest;
        Ok(character)
    }
}
