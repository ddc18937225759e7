//! `%name%` in what a case says.

use std::collections::BTreeMap;

/// What stands for what.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, String>);

impl Names {
    /// Each function's name becomes one that no other case has.
    pub fn of_case<'a>(case: &str, functions: impl Iterator<Item = &'a String>) -> Self {
        let prefix: String = case.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        Self(functions.map(|name| (name.clone(), format!("{prefix}-{name}"))).collect())
    }

    /// The published name of the function `name`, or `name` itself.
    pub fn published(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_else(|| name.to_owned())
    }

    /// With `%key%` standing for `value` too.
    #[must_use]
    pub fn with(&self, key: &str, value: impl ToString) -> Self {
        let mut names = self.clone();
        names.0.insert(key.to_owned(), value.to_string());
        names
    }

    /// `text` with every name replaced.
    pub fn fill(&self, text: &str) -> String {
        if !text.contains('%') {
            return text.to_owned();
        }
        self.0.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("%{name}%"), value))
    }

    /// `value` with every name in its strings replaced; a string that is all `%i%` becomes a number.
    pub fn fill_json(&self, value: &serde_json::Value) -> serde_json::Value {
        use serde_json::Value;
        match value {
            Value::String(text) if text == "%i%" => {
                let number = self.0.get("i").and_then(|i| i.parse::<u64>().ok());
                number.map_or_else(|| Value::String(text.clone()), Value::from)
            }
            Value::String(text) => Value::String(self.fill(text)),
            Value::Array(items) => Value::Array(items.iter().map(|item| self.fill_json(item)).collect()),
            Value::Object(fields) => Value::Object(
                fields.iter().map(|(key, value)| (self.fill(key), self.fill_json(value))).collect(),
            ),
            other => other.clone(),
        }
    }
}
