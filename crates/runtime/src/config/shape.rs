use std::collections::BTreeMap;

use serde_json::Value;

use super::mask;

/// What may stand where in a configuration: the schema, reduced to what reading needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Only these keys.
    Table(BTreeMap<String, Self>),
    /// Any key; the values are texts, or numbers that may be written as texts.
    Map,
    /// Anything: the section of a backend that this build goes without.
    Open,
    /// One value.
    Value { kind: Kind, secret: bool },
}

/// What a value is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Flag,
    List,
}

impl Shape {
    /// Reads a JSON Schema without references.
    pub(super) fn of(schema: &Value) -> Self {
        // `Option<T>` is either a list of types or a choice, with `null` in it.
        if let Some(choice) =
            schema["anyOf"].as_array().and_then(|all| all.iter().find(|s| s["type"] != "null"))
        {
            return Self::of(choice);
        }
        let kind = match &schema["type"] {
            Value::Array(types) => types.iter().find_map(|t| t.as_str().filter(|t| *t != "null")),
            other => other.as_str(),
        };
        let kind = match kind {
            Some("object") => return Self::of_object(schema),
            Some("integer" | "number") => Kind::Number,
            Some("boolean") => Kind::Flag,
            Some("array") => Kind::List,
            _ => Kind::Text,
        };
        Self::Value { kind, secret: schema["writeOnly"] == true }
    }

    fn of_object(schema: &Value) -> Self {
        match schema["properties"].as_object() {
            Some(keys) => {
                Self::Table(keys.iter().map(|(key, schema)| (key.clone(), Self::of(schema))).collect())
            }
            None if ["string", "number"].iter().any(|t| schema["additionalProperties"]["type"] == *t) => {
                Self::Map
            }
            None => Self::Open,
        }
    }

    /// What stands below `key`; `None` for an unknown one.
    pub(super) fn child(&self, key: &str) -> Option<Self> {
        match self {
            Self::Table(keys) => keys.get(key).cloned(),
            Self::Map => Some(Self::Value { kind: Kind::Text, secret: mask::is_secret_name(key) }),
            Self::Open => Some(if mask::is_secret_name(key) {
                Self::Value { kind: Kind::Text, secret: true }
            } else {
                Self::Open
            }),
            Self::Value { .. } => None,
        }
    }

    /// What stands at `path`.
    pub(super) fn find(&self, path: &[String]) -> Option<Self> {
        path.iter().try_fold(self.clone(), |shape, key| shape.child(key))
    }

    /// Whether the value at `path` must not be shown. An element of a secret list is secret too.
    pub(super) fn is_secret(&self, path: &[String]) -> bool {
        (0..=path.len())
            .filter_map(|end| self.find(&path[..end]))
            .any(|shape| matches!(shape, Self::Value { secret: true, .. }))
    }

    /// The key of this table that `key` was likely meant to be.
    pub(super) fn nearest(&self, key: &str) -> Option<&str> {
        let Self::Table(keys) = self else { return None };
        keys.keys()
            .map(|known| (strsim::damerau_levenshtein(&key.to_lowercase(), known), known.as_str()))
            .filter(|(distance, known)| *distance <= known.len().max(key.len()) / 2)
            .min()
            .map(|(_, known)| known)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_reduced() {
        let shape = Shape::of(&json!({
            "type": "object",
            "properties": {
                "n": { "type": ["integer", "null"] },
                "s": { "type": "string", "writeOnly": true },
                "o": { "anyOf": [{ "type": "null" }, { "type": "boolean" }] },
                "m": { "type": "object", "additionalProperties": { "type": "string" } },
                "a": { "type": "object" },
                "e": { "oneOf": [{ "const": "x" }] },
            }
        }));
        let value = |kind, secret| Some(Shape::Value { kind, secret });
        assert_eq!(shape.child("n"), value(Kind::Number, false));
        assert_eq!(shape.child("s"), value(Kind::Text, true));
        assert_eq!(shape.child("o"), value(Kind::Flag, false));
        assert_eq!(shape.child("m"), Some(Shape::Map));
        assert_eq!(shape.child("a"), Some(Shape::Open));
        assert_eq!(shape.child("e"), value(Kind::Text, false));
        assert_eq!(shape.child("x"), None);
        assert!(
            shape.is_secret(&["s".to_owned()]) && shape.is_secret(&["a".to_owned(), "secret_key".to_owned()])
        );
    }

    #[test]
    fn the_nearest_key_is_near() {
        let table = Shape::of(&json!({ "type": "object", "properties": {
            "listen": { "type": "string" }, "token": { "type": "string" } } }));
        assert_eq!(table.nearest("lisen"), Some("listen"));
        assert_eq!(table.nearest("Listen"), Some("listen"));
        assert_eq!(table.nearest("zzzzzz"), None);
    }
}
