//! Names for keys that a server, or what lies between, could not hold as they are.
//!
//! S3 itself holds any key. Other servers keep keys as paths of a file system: a part of `..` is
//! refused, `a//b`, `/a` and `a\b` silently become `a/b` and `a`, a trailing slash makes a folder, a
//! part of more than 255 bytes does not fit, and control characters do not survive the XML of a
//! listing; and there are clients that take white space for no key. Ordinary keys are stored under their own name, so that other programs find them; a key
//! like these is *set aside*, under a name in the folder `.tandem/keys/`.
//!
//! The name of a key that is set aside keeps the byte order of keys, so that a listing can merge
//! both kinds and begin anywhere: what cannot stay is written as two characters, the first of
//! which is a neighbour of the character itself.
//!
//! | characters | written as |
//! |---|---|
//! | up to `!` | `!` and one of `0` to `Q`, by value |
//! | `.` `/` | `.a` `.b` |
//! | `[` `\` | `[a` `[b` |
//! | `~`, delete | `~a` `~b` |
//! | U+FFFD, U+FFFE, U+FFFF | U+FFFD and `a`, `b`, `c` |
//!
//! Everything else stays. Each 200 bytes a folder begins, with `.-/`.

use std::ops::Not;

/// The folder of keys that are set aside.
pub const FOLDER: &str = ".tandem/keys/";
/// Everything below this is Tandem's own.
const RESERVED: &str = ".tandem/";
/// Longest part that file systems hold.
const PART: usize = 255;
/// Bytes after which a folder begins. With a character of up to six bytes after it, and the break,
/// a part stays below [`PART`].
const RUN: usize = 200;
const BREAK: &str = ".-/";

/// The name under which `key` is set aside; `None` for an ordinary key, which is its own name.
pub fn name(key: &str) -> Option<String> {
    is_ordinary(key).not().then(|| write(key))
}

/// What the names of all keys begin with that are set aside and begin with `prefix`.
pub fn prefix(prefix: &str) -> String {
    write(prefix)
}

/// The key that is set aside under `name`; `None` when this module did not make the name.
pub fn key(name: &str) -> Option<String> {
    let key = read(name.strip_prefix(FOLDER)?)?;
    (self::name(&key).as_deref() == Some(name)).then_some(key)
}

/// Whether `name`, as the server has it, is Tandem's own and not an ordinary key.
pub fn is_reserved(name: &str) -> bool {
    name.starts_with(RESERVED)
}

/// Whether `name`, as the server lists it, is an ordinary key, or a prefix with the slash at its end
/// that ordinary keys can have. Anything else was stored by others and cannot be reached: a folder
/// without objects that some servers list as `folder/`, too.
pub fn is_ordinary_entry(name: &str, is_prefix: bool) -> bool {
    match name.strip_suffix('/') {
        Some(folder) if is_prefix => is_ordinary(folder) && !is_reserved(name),
        _ => is_ordinary(name),
    }
}

/// Whether every server can hold `key` as it is.
pub fn is_ordinary(key: &str) -> bool {
    // Some clients take white space for no key at all.
    !is_reserved(key)
        && !key.trim().is_empty()
        && key.split('/').all(is_plain_part)
        && key.chars().all(is_plain)
}

/// What ordinary keys that begin with `prefix` have in common, as every server takes it: the prefix,
/// or a start of it. `None` when no ordinary key begins with it.
pub fn ordinary_prefix(prefix: &str) -> Option<&str> {
    let (folders, rest) = prefix.rfind('/').map_or(("", prefix), |at| prefix.split_at(at + 1));
    let fits = !is_reserved(prefix)
        && folders.split_terminator('/').all(is_plain_part)
        && rest.len() <= PART
        && prefix.chars().all(is_plain);
    // `a/.` begins `a/.b`, and is no path.
    fits.then_some(if matches!(rest.trim(), "." | "..") { folders } else { prefix })
}

/// Some servers look past white space for dots.
fn is_plain_part(part: &str) -> bool {
    !part.is_empty() && !matches!(part.trim(), "." | "..") && part.len() <= PART
}

fn is_plain(char: char) -> bool {
    char != '\\' && !char.is_ascii_control() && !matches!(char, '\u{fffd}'..='\u{ffff}')
}

fn write(key: &str) -> String {
    let mut name = String::with_capacity(FOLDER.len() + key.len() + 16);
    name.push_str(FOLDER);
    let mut run = 0;
    for char in key.chars() {
        if run >= RUN {
            name.push_str(BREAK);
            run = 0;
        }
        let before = name.len();
        match escape(char) {
            Some((lead, mark)) => name.extend([lead, mark]),
            None => name.push(char),
        }
        run += name.len() - before;
    }
    name
}

fn escape(char: char) -> Option<(char, char)> {
    Some(match char {
        '\0'..='!' => ('!', char::from(b'0' + char as u8)),
        '.' => ('.', 'a'),
        '/' => ('.', 'b'),
        '[' => ('[', 'a'),
        '\\' => ('[', 'b'),
        '~' => ('~', 'a'),
        '\u{7f}' => ('~', 'b'),
        '\u{fffd}' => (char, 'a'),
        '\u{fffe}' => ('\u{fffd}', 'b'),
        '\u{ffff}' => ('\u{fffd}', 'c'),
        _ => return None,
    })
}

fn read(name: &str) -> Option<String> {
    let mut key = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(lead) = chars.next() {
        if !matches!(lead, '!' | '.' | '[' | '~' | '\u{fffd}') {
            key.push(lead);
            continue;
        }
        match (lead, chars.next()?) {
            ('!', mark @ '0'..='Q') => key.push(char::from(mark as u8 - b'0')),
            ('.', 'a') => key.push('.'),
            ('.', 'b') => key.push('/'),
            ('.', '-') => {
                chars.next().filter(|slash| *slash == '/')?;
            }
            ('[', 'a') => key.push('['),
            ('[', 'b') => key.push('\\'),
            ('~', 'a') => key.push('~'),
            ('~', 'b') => key.push('\u{7f}'),
            ('\u{fffd}', mark @ 'a'..='c') => {
                key.push(['\u{fffd}', '\u{fffe}', '\u{ffff}'][mark as usize - 'a' as usize])
            }
            _ => return None,
        }
    }
    Some(key)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = String> {
        prop_oneof![
            "[^\0]{1,40}",
            "[ab/.!\\[\\\\~\u{7f}\u{fffd}\u{ffff}\u{1} -]{1,12}",
            ("[a./ä\\\\]{1,3}", 1..300usize).prop_map(|(part, times)| part.repeat(times)),
        ]
    }

    #[test]
    fn ordinary_keys_keep_their_names() {
        for key in ["a", "photos/2024/Cat 1+2#3?.jpg", "ä/ö", "100%", ".hidden", "..a/b..", "~", "d/x", " a "]
        {
            assert_eq!(name(key), None, "{key:?}");
        }
    }

    #[test]
    fn what_servers_cannot_hold_is_set_aside() {
        for (key, expected) in [
            ("/a", ".ba"),
            ("a/", "a.b"),
            ("a//b", "a.b.bb"),
            ("..", ".a.a"),
            ("a/. ", "a.b.a!P"),
            ("a/./b [c]", "a.b.a.bb!P[ac]"),
            ("a\\b", "a[bb"),
            ("tab\t", "tab!9"),
            (" ", "!P"),
            (".tandem/x", ".atandem.bx"),
        ] {
            assert_eq!(name(key).as_deref(), Some(&*format!("{FOLDER}{expected}")), "{key:?}");
        }
        assert!(name(&"x".repeat(255)).is_none() && name(&"x".repeat(256)).is_some());
    }

    #[test]
    fn prefixes_of_ordinary_keys() {
        for (prefix, expected) in [
            ("", Some("")),
            ("a/b", Some("a/b")),
            ("a/", Some("a/")),
            ("a/..", Some("a/")),
            (".", Some("")),
            (".tandem", Some(".tandem")),
            (".tandem/", None),
            ("a/../", None),
            ("/", None),
            ("a\\", None),
        ] {
            assert_eq!(ordinary_prefix(prefix), expected, "{prefix:?}");
        }
    }

    proptest! {
        #[test]
        fn ordinary_keys_begin_with_their_prefix(key in any_key(), cut in any::<prop::sample::Index>()) {
            if is_ordinary(&key) {
                let ends: Vec<_> = key.char_indices().map(|(at, _)| at).collect();
                let common = ordinary_prefix(&key[..*cut.get(&ends)]);
                prop_assert!(common.is_some_and(|common| key.starts_with(common)));
            }
        }

        #[test]
        fn a_name_is_one_that_every_server_holds(key in any_key()) {
            if let Some(name) = name(&key) {
                let part_fits = |part: &str| !matches!(part, "" | "." | "..") && part.len() <= PART;
                prop_assert!(name.split('/').all(part_fits), "{name:?}");
                prop_assert!(!name.chars().any(|c| c == '\\' || c.is_ascii_control()), "{name:?}");
                prop_assert_eq!(super::key(&name), Some(key));
            }
        }

        #[test]
        fn names_keep_order_and_prefixes(one in any_key(), two in any_key(), cut in any::<prop::sample::Index>()) {
            prop_assert_eq!(write(&one).cmp(&write(&two)), one.cmp(&two));
            let ends: Vec<_> = one.char_indices().map(|(at, _)| at).collect();
            prop_assert!(write(&one).starts_with(&prefix(&one[..*cut.get(&ends)])));
        }

        #[test]
        fn foreign_names_are_no_keys(text in "[ab.!\\[~-]{0,8}") {
            let name = format!("{FOLDER}{text}");
            prop_assert!(key(&name).is_none_or(|key| write(&key) == name));
        }
    }
}
