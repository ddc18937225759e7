//! The sets of characters PCRE has names for, without Unicode properties: ASCII.

/// Names of `\p{…}` that are taken: Unicode's general categories.
pub(super) const GENERAL_CATEGORIES: [&str; 37] = [
    "C", "Cc", "Cf", "Cn", "Co", "L", "Ll", "Lm", "Lo", "Lt", "Lu", "M", "Mc", "Me", "Mn", "N", "Nd", "Nl",
    "No", "P", "Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps", "S", "Sc", "Sk", "Sm", "So", "Z", "Zl", "Zp", "Zs",
    "Any",
];

const HORIZONTAL: &str = "\\t\\x20\\xA0\\x{1680}\\x{180E}\\x{2000}-\\x{200A}\\x{202F}\\x{205F}\\x{3000}";
const VERTICAL: &str = "\\n\\x0B\\x0C\\r\\x{85}\\x{2028}\\x{2029}";

/// A shorthand such as `\d` or `\D`.
#[derive(Clone, Copy)]
pub(super) struct Shorthand {
    items: &'static str,
    negated: bool,
}

impl Shorthand {
    pub(super) fn of(letter: char) -> Option<Self> {
        let items = match letter.to_ascii_lowercase() {
            'd' => "0-9",
            'w' => "0-9A-Za-z_",
            's' => "\\t\\n\\x0B\\x0C\\r\\x20",
            'h' => HORIZONTAL,
            'v' => VERTICAL,
            _ => return None,
        };
        Some(Self { items, negated: letter.is_ascii_uppercase() })
    }

    pub(super) fn bracketed(self) -> String {
        format!("[{}{}]", if self.negated { "^" } else { "" }, self.items)
    }
}

/// A range of a class with both ends escaped.
pub(super) fn range(low: char, high: char) -> String {
    let (low_code, high_code) = (u32::from(low), u32::from(high));
    if low == high {
        format!("\\x{{{low_code:x}}}")
    } else {
        format!("\\x{{{low_code:x}}}-\\x{{{high_code:x}}}")
    }
}

/// What the option `x` skips.
pub(super) fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t'..='\r')
}

/// A POSIX class at the start of `rest`, which follows its `[`; with its length.
pub(super) fn posix(rest: &str) -> Option<(String, usize)> {
    let inner = rest.strip_prefix(':')?;
    let end = inner.find(":]")?;
    let (name, negated) = match inner[..end].strip_prefix('^') {
        Some(name) => (name, "^"),
        None => (&inner[..end], ""),
    };
    let items = match name {
        "alpha" => "A-Za-z",
        "lower" => "a-z",
        "upper" => "A-Z",
        "alnum" => "0-9A-Za-z",
        "ascii" => "\\x00-\\x7F",
        "blank" => "\\t\\x20",
        "cntrl" => "\\x00-\\x1F\\x7F",
        "digit" => "0-9",
        "graph" => "\\x21-\\x7E",
        "print" => "\\x20-\\x7E",
        "punct" => "\\x21-\\x2F\\x3A-\\x40\\x5B-\\x60\\x7B-\\x7E",
        "space" => "\\t\\n\\x0B\\x0C\\r\\x20",
        "word" => "0-9A-Za-z_",
        "xdigit" => "0-9A-Fa-f",
        _ => return None,
    };
    Some((format!("[{negated}{items}]"), end + 3))
}

/// Whether `rest` reads as `:name:]`, `.x.]` or `=x=]`.
pub(super) fn looks_like_posix(rest: &str) -> bool {
    let Some(mark) = rest.chars().next() else { return false };
    let end = rest[1..].find([']', '\\', '[']).map(|end| end + 1);
    end.is_some_and(|end| rest[end..].starts_with(']') && rest[1..end].ends_with(mark))
}
