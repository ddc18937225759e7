//! Where settings are read from. Each place gives one layer; later layers win.

use std::fmt;
use std::path::{Path, PathBuf};

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

use super::shape::{Kind, Shape};
use super::{ConfigError, Problem};
use crate::registry::Registry;

/// The file that is read when none is named; it may be missing.
pub const DEFAULT_FILE: &str = "config/default.toml";

/// Where to read from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// Files that must exist; empty means [`DEFAULT_FILE`] if it is there.
    pub files: Vec<PathBuf>,
    /// Variables of the process.
    pub variables: Vec<(String, String)>,
    /// Assignments `section.key=value` of the command line.
    pub sets: Vec<String>,
    /// The folder that file names are relative to.
    pub base: PathBuf,
}

impl Sources {
    /// The sources of this process. Variables that are not UTF-8 are passed over.
    pub fn of_process(files: Vec<PathBuf>, sets: Vec<String>) -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { files, variables, sets, base: PathBuf::from(".") }
    }
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// A file.
    File {
        /// As it was named.
        path: PathBuf,
        /// From 1, where it is known.
        line: Option<usize>,
    },
    /// A variable of the process.
    Variable(String),
    /// `--set` with this key.
    Set(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line: Some(line) } => write!(f, "{}:{line}", path.display()),
            Self::File { path, line: None } => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
            Self::Set(key) => write!(f, "--set {key}"),
        }
    }
}

/// What one place says.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    origin: Origin,
    /// The place's text, to find lines in; of files only.
    text: String,
    pub(super) values: Dict,
    /// Higher wins; equal for places of which neither outranks the other.
    pub(super) rank: usize,
}

impl Layer {
    /// Where this layer sets `path`.
    pub(super) fn origin(&self, path: &[String]) -> Origin {
        match &self.origin {
            Origin::File { path: file, .. } => {
                Origin::File { path: file.clone(), line: line_of(&self.text, path) }
            }
            other => other.clone(),
        }
    }

    /// Whether this layer has a value at `path`.
    pub(super) fn sets(&self, path: &[String]) -> bool {
        let mut values = Some(&self.values);
        path.iter().all(|key| {
            let value = values.and_then(|values| values.get(key));
            values = value.and_then(Value::as_dict);
            value.is_some()
        })
    }

    /// The name by which figment gives the layer back.
    pub(super) fn id(&self) -> String {
        self.origin.to_string()
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.id())
    }

    fn data(&self) -> figment::error::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.values.clone())]))
    }
}

/// Reads every source, lowest first.
pub(super) fn read(sources: &Sources, registry: &Registry, shape: &Shape) -> Result<Vec<Layer>, ConfigError> {
    let mut layers = shared_variables(sources, registry, shape);
    let mut problems = Vec::new();
    let default = PathBuf::from(DEFAULT_FILE);
    let (files, required) = if sources.files.is_empty() {
        (std::slice::from_ref(&default), false)
    } else {
        (&sources.files[..], true)
    };
    for (index, path) in files.iter().enumerate() {
        match read_file(&sources.base, path, required) {
            Ok(Some((text, values))) => {
                let origin = Origin::File { path: path.clone(), line: None };
                layers.push(Layer { origin, text, values, rank: 2 + index });
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    let rank = 2 + files.len();
    for (name, text) in &sources.variables {
        let Some(key) = name.strip_prefix("TANDEM_").filter(|key| key.contains("__")) else { continue };
        let segments: Vec<&str> = key.split("__").collect();
        let values = assign(shape, &segments, "__", text);
        layers.push(Layer { origin: Origin::Variable(name.clone()), text: String::new(), values, rank });
    }
    for set in &sources.sets {
        match set.split_once('=') {
            Some((key, text)) if !key.trim().is_empty() => {
                let segments: Vec<&str> = key.trim().split('.').collect();
                let values = assign(shape, &segments, ".", text.trim());
                let origin = Origin::Set(key.trim().to_owned());
                layers.push(Layer { origin, text: String::new(), values, rank: rank + 1 });
            }
            _ => problems.push(Problem {
                key: String::new(),
                origin: Origin::Set(set.split('=').next().unwrap_or_default().to_owned()),
                message: "expected section.key=value, such as server.listen=127.0.0.1:9000".to_owned(),
            }),
        }
    }
    if problems.is_empty() { Ok(layers) } else { Err(ConfigError { problems }) }
}

/// An empty shared variable counts as unset: other tools clear them that way.
fn shared_variables(sources: &Sources, registry: &Registry, shape: &Shape) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (name, keys) in registry.variables {
        let value = sources.variables.iter().find(|(variable, text)| variable == name && !text.is_empty());
        let Some((_, text)) = value else { continue };
        for key in *keys {
            let segments: Vec<&str> = key.split('.').collect();
            layers.push(Layer {
                origin: Origin::Variable((*name).to_owned()),
                text: String::new(),
                values: assign(shape, &segments, ".", text),
                rank: 1,
            });
        }
    }
    layers
}

fn read_file(base: &Path, path: &Path, required: bool) -> Result<Option<(String, Dict)>, Problem> {
    let problem = |line, message: String| Problem {
        key: String::new(),
        origin: Origin::File { path: path.to_owned(), line },
        message,
    };
    let text = match std::fs::read_to_string(base.join(path)) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return if required { Err(problem(None, "there is no such file".to_owned())) } else { Ok(None) };
        }
        Err(error) => return Err(problem(None, format!("the file cannot be read: {error}"))),
    };
    // Only the parser's message is kept: the excerpt it offers may hold a secret.
    let table: toml::Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| line_at(&text, span.start));
        problem(line, format!("this is not TOML: {}", error.message()))
    })?;
    match Value::serialize(table) {
        Ok(Value::Dict(_, values)) => Ok(Some((text, values))),
        Ok(_) => Err(problem(None, "the file holds no sections".to_owned())),
        Err(error) => Err(problem(None, error.to_string())),
    }
}

/// The nested value that sets what `segments` name. Keys are found whatever their case, since
/// variables are upper case by custom; below a map of free names the rest is one name.
fn assign(shape: &Shape, segments: &[&str], separator: &str, text: &str) -> Dict {
    let (key, below, rest) = match shape {
        Shape::Map => (segments.join(separator), shape.child(""), &[][..]),
        _ => {
            let key = segments[0].to_lowercase();
            let below = shape.child(&key);
            (key, below, &segments[1..])
        }
    };
    let below = below.unwrap_or(Shape::Open);
    let value =
        if rest.is_empty() { read_text(&below, text) } else { assign(&below, rest, separator, text).into() };
    Dict::from([(key, value)])
}

/// Reads a text as the shape wants it; what does not fit stays a text and is refused later with
/// the key's name.
fn read_text(shape: &Shape, text: &str) -> Value {
    let toml = |text: &str| {
        let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
        Value::serialize(table.get("value")?).ok()
    };
    let trimmed = text.trim();
    let read = match shape {
        Shape::Value { kind: Kind::Number | Kind::Flag, .. } => toml(trimmed),
        Shape::Value { kind: Kind::List, .. } if trimmed.starts_with('[') => toml(trimmed),
        Shape::Value { kind: Kind::List, .. } => {
            let items: Vec<&str> =
                trimmed.split(',').map(str::trim).filter(|item| !item.is_empty()).collect();
            Some(items.into())
        }
        Shape::Value { kind: Kind::Text, .. } => None,
        Shape::Table(_) | Shape::Map | Shape::Open => toml(trimmed).filter(|value| value.as_dict().is_some()),
    };
    read.unwrap_or_else(|| text.into())
}

/// The line of `text` on which TOML sets `path`, or the deepest part of it that is there.
fn line_of(text: &str, path: &[String]) -> Option<usize> {
    let root = toml::de::DeTable::parse(text).ok()?;
    let mut table = Some(root.get_ref());
    let mut found = None;
    for key in path {
        let Some((name, value)) =
            table.and_then(|table| table.iter().find(|(name, _)| name.get_ref() == key))
        else {
            break;
        };
        found = Some(name.span().start);
        table = match value.get_ref() {
            toml::de::DeValue::Table(below) => Some(below),
            _ => None,
        };
    }
    found.map(|offset| line_at(text, offset))
}

fn line_at(text: &str, offset: usize) -> usize {
    text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}
