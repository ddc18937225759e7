//! Bracketed classes: `[^a-z\d[:punct:]]`.

use tandem_contract::Result;

use super::classes::{self, Shorthand};
use super::syntax::{Repeatable, Translator};

impl Translator<'_> {
    pub(super) fn class(&mut self) -> Result<()> {
        let negated = self.skip("^");
        let mut items = String::new();
        let mut first = true;
        loop {
            let Some(next) = self.take() else { return Err(self.wrong("a class is not closed")) };
            if next == ']' && !first {
                break;
            }
            first = false;
            let low = match self.class_item(next, &mut items)? {
                Some(character) => character,
                None => continue,
            };
            let high = self.class_range_end(&mut items)?;
            let high = high.unwrap_or(low);
            if high < low {
                return Err(self.wrong("a range of a class is out of order"));
            }
            items.push_str(&classes::range(low, high));
        }
        let text = format!("[{}{items}]", if negated { "^" } else { "" });
        self.emit(&text, Repeatable::Yes);
        Ok(())
    }

    /// One character of a class; `None` when a whole set was written to `items`.
    fn class_item(&mut self, next: char, items: &mut String) -> Result<Option<char>> {
        if next == '[' && self.rest.starts_with([':', '.', '=']) {
            let Some(set) = classes::posix(self.rest) else {
                if classes::looks_like_posix(self.rest) {
                    return Err(self.wrong("a POSIX class is unknown"));
                }
                return Ok(Some('['));
            };
            self.out.ascii_class_ignores_case |= self.flags.ignore_case;
            items.push_str(&set.0);
            self.rest = &self.rest[set.1..];
            return Ok(None);
        }
        if next != '\\' {
            return Ok(Some(next));
        }
        let Some(escape) = self.take() else { return Err(self.wrong("a class is not closed")) };
        if let Some(shorthand) = Shorthand::of(escape) {
            self.out.ascii_class_ignores_case |= self.flags.ignore_case;
            items.push_str(&shorthand.bracketed());
            return Ok(None);
        }
        match escape {
            'b' => Ok(Some('\u{8}')),
            'p' | 'P' if self.flags.ignore_case => Err(self.left_out("\\p in a class that ignores case")),
            'p' | 'P' => {
                let property = self.property(escape)?;
                items.push_str(property.trim_start_matches("(?-i:").trim_end_matches(')'));
                Ok(None)
            }
            'Q' | 'E' | '1'..='9' => Err(self.left_out(&format!("\\{escape} in a class"))),
            _ => self.character(escape).map(Some),
        }
    }

    /// The end of a range, when `-` and a character follow.
    fn class_range_end(&mut self, items: &mut String) -> Result<Option<char>> {
        if !self.rest.starts_with('-') || self.rest.starts_with("-]") {
            return Ok(None);
        }
        self.rest = &self.rest[1..];
        let Some(next) = self.take() else { return Err(self.wrong("a class is not closed")) };
        match self.class_item(next, items)? {
            Some(character) => Ok(Some(character)),
            None => Err(self.wrong("a range of a class ends with a set")),
        }
    }
}
