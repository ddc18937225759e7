use std::fmt;

use serde_json::Value;

/// The backend that a section picked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Backend {
    /// Its name.
    pub name: String,
    /// Its own settings, checked.
    pub settings: Settings,
}

/// A backend's settings. They may hold secrets: printed, only their names show.
#[derive(Clone, Default, PartialEq)]
pub struct Settings(Value);

impl Settings {
    /// Keeps `value`, which a backend's settings type accepts.
    pub const fn new(value: Value) -> Self {
        Self(value)
    }

    /// The settings themselves.
    pub const fn expose(&self) -> &Value {
        &self.0
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.as_object().into_iter().flat_map(serde_json::Map::keys)).finish()
    }
}
