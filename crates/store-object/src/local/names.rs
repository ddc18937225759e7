//! Keys as names of folders and files, and back.
//!
//! A key is cut at every `/`. Each part is written in `a–z 0–9 - _ .` alone, so that it means the
//! same on file systems that fold case or normalise Unicode: a capital is `^` and the small letter,
//! any other byte is `%` and two hex digits, and so is a dot at the start, which keeps `.`, `..` and
//! hidden files out. The last character of a name tells what it is:
//!
//! | name     | is                                                              |
//! |----------|-----------------------------------------------------------------|
//! | `photos+`| the folder of the keys that start with `photos/`                |
//! | `cat.jpg`| the object whose key ends in `cat.jpg`                          |
//! | `%`      | the object whose key ends in `/`                                |
//! | `aaaa…~` | the first [`NAME_LIMIT`] characters of a longer part: a folder that holds the rest, in names that start with `~` |
//!
//! So `photos/2024/Cat.jpg` in the bucket `default` is the file `default/photos+/2024+/^cat.jpg`.

/// Longest name without its marks. With both marks it is within the 143 bytes of eCryptfs, the
/// tightest limit in use; other file systems allow 255.
pub(crate) const NAME_LIMIT: usize = 140;

const FOLDER: char = '+';
const CONTINUES: char = '~';
const CONTINUED: char = '~';
/// The last part of a key that ends in `/`: a lone `%` is not the writing of anything.
const EMPTY: &str = "%";

/// Where an object is, below its bucket's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Names of the folders to pass, outermost first.
    pub(crate) folders: Vec<String>,
    /// Name of the file.
    pub(crate) file: String,
}

/// Where the object `key` is.
pub(crate) fn place(key: &str) -> Place {
    let (path, last) = key.rsplit_once('/').map_or((None, key), |(path, last)| (Some(path), last));
    let mut folders = Vec::new();
    for part in path.into_iter().flat_map(|path| path.split('/')) {
        let mut name = push_long(&mut folders, write(part));
        name.push(FOLDER);
        folders.push(name);
    }
    let file = match last {
        "" => EMPTY.to_owned(),
        last => push_long(&mut folders, write(last)),
    };
    Place { folders, file }
}

/// The name of a bucket's folder. It never starts with a dot, because no bucket does.
pub(crate) fn bucket(bucket: &str) -> String {
    write(bucket)
}

/// What a name inside a folder says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The last part of a key.
    Object(String),
    /// A part of a key with more parts after it.
    Folder(String),
    /// The start of a part, as written; the names inside go on with it.
    Continues(String),
}

/// Reads a name that this module wrote; `None` for any other. `written` is the start of the part
/// where the folder is one that [`Name::Continues`].
pub(crate) fn read(name: &str, written: Option<&str>) -> Option<Name> {
    let rest = match written {
        Some(_) => name.strip_prefix(CONTINUED)?,
        None => name,
    };
    let start = written.unwrap_or_default();
    if let Some(text) = rest.strip_suffix(CONTINUES) {
        let whole = format!("{start}{text}");
        return (text.len() == NAME_LIMIT).then_some(Name::Continues(whole));
    }
    let (text, folder) = rest.strip_suffix(FOLDER).map_or((rest, false), |text| (text, true));
    if text.len() > NAME_LIMIT || (text.is_empty() && (!folder || written.is_some())) {
        return None;
    }
    let whole = format!("{start}{text}");
    let part = if whole == EMPTY && !folder { String::new() } else { unwrite(&whole)? };
    Some(if folder { Name::Folder(part) } else { Name::Object(part) })
}

/// Adds the folders that hold the start of a long name; returns the name that is left.
fn push_long(folders: &mut Vec<String>, written: String) -> String {
    if written.len() <= NAME_LIMIT {
        return written;
    }
    let mut rest = written.as_str();
    let mut mark = String::new();
    while rest.len() > NAME_LIMIT {
        let (start, end) = rest.split_at(NAME_LIMIT);
        folders.push(format!("{mark}{start}{CONTINUES}"));
        mark = CONTINUED.to_string();
        rest = end;
    }
    format!("{mark}{rest}")
}

fn write(part: &str) -> String {
    let mut text = String::with_capacity(part.len() + 8);
    for (at, byte) in part.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            b'.' if at > 0 => text.push('.'),
            b'A'..=b'Z' => text.extend(['^', char::from(byte.to_ascii_lowercase())]),
            _ => {
                text.push('%');
                text.extend([byte >> 4, byte & 15].map(hex_digit));
            }
        }
    }
    text
}

/// The part that `text` is the writing of; `None` when it is not the writing of any.
fn unwrite(text: &str) -> Option<String> {
    let mut part = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        part.push(match byte {
            b'^' => bytes.next()?.to_ascii_uppercase(),
            b'%' => (hex_value(bytes.next()?)? << 4) | hex_value(bytes.next()?)?,
            _ => byte,
        });
    }
    let part = String::from_utf8(part).ok()?;
    // A name that says the same in another way is not ours: two files would have one key.
    (write(&part) == text && !part.contains('/') && !part.contains('\0')).then_some(part)
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn path(key: &str) -> String {
        let Place { mut folders, file } = place(key);
        folders.push(file);
        folders.join(" ")
    }

    /// The key that is at `place`, read name by name as a listing does.
    fn key_at(place: &Place) -> Option<String> {
        let mut key = String::new();
        let mut written: Option<String> = None;
        for name in &place.folders {
            match read(name, written.as_deref())? {
                Name::Folder(part) => {
                    key = key + &part + "/";
                    written = None;
                }
                Name::Continues(start) => written = Some(start),
                Name::Object(_) => return None,
            }
        }
        match read(&place.file, written.as_deref())? {
            Name::Object(part) => Some(key + &part),
            _ => None,
        }
    }

    #[test]
    fn names_are_plain() {
        for (key, expected) in [
            ("cat.jpg", "cat.jpg"),
            ("photos/2024/Cat.jpg", "photos+ 2024+ ^cat.jpg"),
            ("d", "d"),
            ("d/x", "d+ x"),
            ("d+/x~", "d%2b+ x%7e"),
            ("/a", "+ a"),
            ("a/", "a+ %"),
            ("/", "+ %"),
            ("a//b", "a+ + b"),
            ("..", "%2e."),
            ("../../x", "%2e.+ %2e.+ x"),
            (".", "%2e"),
            ("%", "%25"),
            ("a b", "a%20b"),
            ("ä", "%c3%a4"),
        ] {
            assert_eq!(path(key), expected, "{key:?}");
        }
        let long = "x".repeat(300);
        let start = "x".repeat(NAME_LIMIT);
        assert_eq!(path(&long), format!("{start}~ ~{start}~ ~{}", "x".repeat(20)));
        assert_eq!(path(&format!("{start}/y")), format!("{start}+ y"));
    }

    #[test]
    fn names_of_others_are_not_read() {
        for name in [
            "README.md",
            ".hidden",
            "..",
            ".",
            "",
            "a b",
            "%2E",
            "%61",
            "^1",
            "%",
            "x~",
            "é",
            "%ff",
            "%2f",
            "%00",
        ] {
            let read = read(name, None);
            assert!(read.is_none() || name == "%", "{name:?} is {read:?}");
        }
        let start = "x".repeat(NAME_LIMIT);
        for name in ["y", "~", "~+", "~y~", ""] {
            assert_eq!(read(name, Some(&start)), None, "{name:?}");
        }
    }

    proptest! {
        #[test]
        fn every_key_has_a_place_of_its_own(
            key in "([^\0]|[./%A-Za-c~+]){1,40}",
            repeat in 1..8usize,
        ) {
            let key = key.repeat(repeat);
            let place = place(&key);
            for name in place.folders.iter().chain([&place.file]) {
                prop_assert!((1..=NAME_LIMIT + 2).contains(&name.len()));
                prop_assert!(!name.starts_with('.') && name.is_ascii() && !name.contains('/'));
                prop_assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()));
            }
            prop_assert_eq!(key_at(&place), Some(key));
        }
    }
}
