use std::collections::BTreeMap;

use figment::value::{Dict, Value};
use figment::{Figment, Profile, Provider as _};

use super::error::{ConfigError, Problem};
use super::layers::{Layer, Origin};
use super::{Config, mask};

/// The merged values. Each remembers its layer by figment's tag.
pub(super) struct Tree {
    sections: BTreeMap<String, Dict>,
    figment: Figment,
    layers: Vec<Layer>,
    /// A section, and the one it takes from what it leaves out.
    heir: Option<(String, String)>,
}

impl Tree {
    /// Merges the built-in defaults and `layers`, later ones over earlier ones.
    pub(super) fn merge(layers: Vec<Layer>) -> Result<Self, ConfigError> {
        let fault = |error: figment::Error| Problem {
            key: String::new(),
            origin: Origin::Default,
            message: mask::url_passwords(&error.to_string()),
        };
        let figment = layers.iter().fold(Figment::new(), |figment, layer| figment.merge(layer));
        let mut root = figment.data().map_err(fault)?.remove(&Profile::Default).unwrap_or_default();
        // Filled in rather than merged, so that a default carries no tag and is told from a value
        // that was set to the same.
        if let Value::Dict(_, defaults) = Value::serialize(Config::default()).map_err(fault)? {
            fill(&mut root, &defaults);
        }
        // Every layer was checked to hold sections only.
        let sections = root.into_iter().filter_map(|(key, value)| Some((key, value.into_dict()?))).collect();
        Ok(Self { sections, figment, layers, heir: None })
    }

    /// The values of a section, made when missing.
    pub(super) fn section(&mut self, name: &str) -> &mut Dict {
        self.sections.entry(name.to_owned()).or_default()
    }

    /// Every section with its values.
    pub(super) const fn sections(&self) -> &BTreeMap<String, Dict> {
        &self.sections
    }

    /// Remembers that `heir` took values from `giver`, to find their lines.
    pub(super) fn inherits(&mut self, heir: &str, giver: &str) {
        self.heir = Some((heir.to_owned(), giver.to_owned()));
    }

    /// Where the value at `path`, or the deepest table around it, comes from.
    pub(super) fn origin(&self, path: &[String]) -> Origin {
        let Some(layer) = self.layer(path) else { return Origin::Default };
        match (&self.heir, path) {
            (Some((heir, giver)), [section, rest @ ..]) if section == heir && !layer.sets(path) => {
                let given: Vec<String> = std::iter::once(giver).chain(rest).cloned().collect();
                layer.origin(&given)
            }
            _ => layer.origin(path),
        }
    }

    /// A problem with the value at `path`.
    pub(super) fn problem(&self, path: Vec<String>, message: String) -> Problem {
        Problem { origin: self.origin(&path), key: path.join("."), message: mask::url_passwords(&message) }
    }

    /// Of a token and a token file the one from the stronger source counts.
    pub(super) fn settle_token(&mut self) -> Result<(), ConfigError> {
        let [token, file] = ["token", "token_file"].map(|key| vec!["server".to_owned(), key.to_owned()]);
        let [token_rank, file_rank] =
            [&token, &file].map(|path| self.layer(path).map_or(0, |layer| layer.rank));
        let server = self.section("server");
        if !server.contains_key("token") || !server.contains_key("token_file") {
            return Ok(());
        }
        let weaker = match token_rank.cmp(&file_rank) {
            std::cmp::Ordering::Less => "token",
            std::cmp::Ordering::Greater => "token_file",
            std::cmp::Ordering::Equal => {
                return Err(self
                    .problem(token, "is set, and so is `server.token_file`: keep one".to_owned())
                    .into());
            }
        };
        self.section("server").remove(weaker);
        Ok(())
    }

    fn layer(&self, path: &[String]) -> Option<&Layer> {
        let (section, rest) = path.split_first()?;
        let mut values = self.sections.get(section);
        let mut tag = None;
        for key in rest {
            let Some(value) = values.and_then(|values| values.get(key)) else { break };
            tag = Some(value.tag());
            values = value.as_dict();
        }
        let id = &self.figment.get_metadata(tag?)?.name;
        self.layers.iter().rev().find(|layer| layer.id() == **id)
    }
}

/// Adds to `into` what it lacks of `from`, table by table.
pub(super) fn fill(into: &mut Dict, from: &Dict) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Dict(_, into)), Value::Dict(_, from)) => fill(into, from),
            (Some(_), _) => {}
            (None, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
