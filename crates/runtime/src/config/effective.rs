use std::fmt::Write as _;

use figment::value::{Dict, Value};
use serde_json::{Map, json};
use tandem_contract::settings::Secret;

use super::layers::Origin;
use super::mask;
use super::shape::Shape;
use super::tree::Tree;

/// Sections in the order of the reference; any other comes after them.
pub(super) const SECTIONS: [&str; 9] =
    ["server", "engine", "functions", "documents", "storage", "env", "logs", "fetch", "telemetry"];

/// Every value of a configuration with its origin; secrets are masked.
#[derive(Clone, Debug, PartialEq)]
pub struct Effective {
    /// In the order in which they are printed.
    pub settings: Vec<Setting>,
}

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub struct Setting {
    /// Its key, from the section down.
    pub path: Vec<String>,
    /// Its value; secrets are masked.
    pub value: serde_json::Value,
    /// Where it comes from.
    pub origin: Origin,
}

impl Effective {
    pub(super) fn of(tree: &Tree, shape: &Shape) -> Self {
        let mut settings = Vec::new();
        let mut sections: Vec<&String> = tree.sections().keys().collect();
        sections
            .sort_by_key(|name| SECTIONS.iter().position(|known| known == name).unwrap_or(SECTIONS.len()));
        for section in sections {
            collect(tree, shape, &tree.sections()[section], &mut vec![section.clone()], &mut settings);
        }
        Self { settings }
    }

    /// As TOML, each value followed by its origin as a comment.
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        for table in self.settings.chunk_by(|a, b| a.table() == b.table()) {
            let separator = if text.is_empty() { "" } else { "\n" };
            let name: Vec<String> = table[0].table().iter().map(|key| quoted(key)).collect();
            let _ = writeln!(text, "{separator}[{}]", name.join("."));
            let lines: Vec<String> = table.iter().map(Setting::assignment).collect();
            let width =
                lines.iter().map(|line| line.chars().count()).filter(|width| *width <= 60).max().unwrap_or(0);
            for (line, setting) in lines.iter().zip(table) {
                let _ = writeln!(text, "{line:width$}  # {}", setting.origin);
            }
        }
        text
    }

    /// As JSON: dotted keys to `{"value", "origin"}`.
    pub fn to_json(&self) -> serde_json::Value {
        let entry = |setting: &Setting| {
            let value = json!({ "value": setting.value, "origin": setting.origin.to_string() });
            (setting.path.join("."), value)
        };
        serde_json::Value::Object(self.settings.iter().map(entry).collect::<Map<_, _>>())
    }
}

impl Setting {
    fn table(&self) -> &[String] {
        &self.path[..self.path.len() - 1]
    }

    fn assignment(&self) -> String {
        let key = self.path.last().map(|key| quoted(key)).unwrap_or_default();
        let value = toml::Value::try_from(&self.value).map(|value| value.to_string());
        // JSON has nothing beyond TOML but null, which is not among the settings.
        format!("{key} = {}", value.unwrap_or_else(|_| self.value.to_string()))
    }
}

/// Values before tables, as TOML needs it, and the choice of a backend before all else.
fn collect(tree: &Tree, shape: &Shape, values: &Dict, path: &mut Vec<String>, settings: &mut Vec<Setting>) {
    let mut keys: Vec<(&String, &Value)> = values.iter().collect();
    keys.sort_by_key(|(key, value)| (value.as_dict().is_some(), *key != "backend"));
    for (key, value) in keys {
        path.push(key.clone());
        match value {
            Value::Empty(..) => {}
            Value::Dict(_, below) => collect(tree, shape, below, path, settings),
            value => settings.push(Setting {
                path: path.clone(),
                value: shown(value, shape.is_secret(path)),
                origin: tree.origin(path),
            }),
        }
        path.pop();
    }
}

fn shown(value: &Value, secret: bool) -> serde_json::Value {
    if secret {
        return Secret::MASK.into();
    }
    match value {
        Value::String(_, text) => mask::url_passwords(text).into(),
        Value::Array(_, items) => items.iter().map(|item| shown(item, secret)).collect(),
        other => other.deserialize().unwrap_or_default(),
    }
}

fn quoted(key: &str) -> String {
    let bare = !key.is_empty()
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if bare { key.to_owned() } else { toml::Value::String(key.to_owned()).to_string() }
}
