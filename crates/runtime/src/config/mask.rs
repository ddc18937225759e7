//! Keeps secrets out of whatever is printed.

use tandem_contract::settings::Secret;

/// Replaces the passwords of all URLs in `text`.
pub(crate) fn url_passwords(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        masked.push_str(before);
        let end = after
            .find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '`'))
            .unwrap_or(after.len());
        rest = after;
        // A password may hold an unescaped `@`: the host comes after the last one.
        if let Some((user, host)) = after[..end].rsplit_once('@') {
            match user.split_once(':') {
                Some((name, _)) => {
                    masked.push_str(name);
                    masked.push(':');
                    masked.push_str(Secret::MASK);
                }
                None => masked.push_str(user),
            }
            masked.push('@');
            rest = &after[end - host.len()..];
        }
    }
    masked.push_str(rest);
    masked
}

/// Whether a variable of this name likely holds a secret.
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    ["TOKEN", "SECRET", "PASSWORD", "PASSWD", "KEY", "CREDENTIAL"].iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_masked() {
        for (text, masked) in [
            ("mongodb://u:p@h:27017/db", "mongodb://u:******@h:27017/db"),
            ("postgres://u:p@ss@h/db?x=1", "postgres://u:******@h/db?x=1"),
            ("cannot reach http://a:b@c and d://e:f@g", "cannot reach http://a:******@c and d://e:******@g"),
            ("http://h:9000/a@b:c", "http://h:9000/a@b:c"),
            ("http://user@h", "http://user@h"),
            ("no url", "no url"),
            ("redis://:p@h", "redis://:******@h"),
        ] {
            assert_eq!(url_passwords(text), masked);
        }
    }

    #[test]
    fn names_of_secrets_are_known() {
        assert!(is_secret_name("API_KEY") && is_secret_name("my_token"));
        assert!(!is_secret_name("GREETING"));
    }
}
