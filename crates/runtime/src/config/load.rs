use figment::value::{Dict, Value};
use serde::de::DeserializeOwned;

use super::effective::Effective;
use super::error::{ConfigError, Problem};
use super::layers::{self, Origin, Sources};
use super::shape::Shape;
use super::tree::{Tree, fill};
use super::{Backend, Config, Settings, json_schema, rules, words};
use crate::registry::{Choices, Registry};

/// A configuration and where each part of it comes from.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it comes to.
    pub config: Config,
    /// Every value with its origin, for people.
    pub effective: Effective,
}

/// Reads `sources` and checks them against the types and the backends in `registry`.
///
/// # Errors
/// Everything that is wrong: unknown keys, values of the wrong type, files that are missing or not
/// TOML, backends that are unknown or left out of the build, and rules between values.
pub fn load(sources: &Sources, registry: &Registry) -> Result<Loaded, ConfigError> {
    let shape = Shape::of(&json_schema(registry));
    let layers = layers::read(sources, registry, &shape)?;
    let problems: Vec<Problem> = layers.iter().flat_map(|layer| words::misplaced(layer, &shape)).collect();
    refuse(problems)?;

    let mut reader = Reader { tree: Tree::merge(layers)?, shape, registry, problems: Vec::new() };
    reader.tree.settle_token()?;
    let config = reader.read();
    refuse(reader.problems)?;
    let broken = rules::broken(&config);
    refuse(broken.into_iter().map(|(key, message)| reader.tree.problem(key, message)).collect())?;
    Ok(Loaded { config, effective: Effective::of(&reader.tree, &reader.shape) })
}

fn refuse(mut problems: Vec<Problem>) -> Result<(), ConfigError> {
    problems.sort_by_key(|problem| match problem.origin {
        Origin::File { line, .. } => (0, line),
        _ => (1, None),
    });
    if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
}

struct Reader<'a> {
    tree: Tree,
    shape: Shape,
    registry: &'a Registry,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn read(&mut self) -> Config {
        self.inherit();
        let [engine, functions, documents, storage] = self.registry.sections();
        let selected = [engine, functions, documents, storage].map(|port| self.select(port));
        let mut config = Config {
            server: self.section("server"),
            engine: self.section("engine"),
            functions: self.section("functions"),
            documents: self.section("documents"),
            storage: self.section("storage"),
            env: self.section("env"),
            logs: self.section("logs"),
            fetch: self.section("fetch"),
            telemetry: self.section("telemetry"),
        };
        [
            config.engine.selected,
            config.functions.selected,
            config.documents.selected,
            config.storage.selected,
        ] = selected;
        config
    }

    /// Gives `[documents]` what it leaves out, from `[functions]`: the backend, and each setting
    /// that the document store of the same name has too.
    fn inherit(&mut self) {
        let (functions, documents) = (self.registry.functions.section(), self.registry.documents.section());
        let mut given = self.tree.section(functions).clone();
        given.retain(|key, value| match self.shape.find(&[documents.to_owned(), key.clone()]) {
            Some(below) => {
                if let Value::Dict(_, settings) = value {
                    settings.retain(|key, _| below.child(key).is_some());
                }
                true
            }
            None => false,
        });
        if !given.contains_key("backend")
            && let Some(name) = self.registry.functions.default_name()
        {
            given.insert("backend".to_owned(), name.into());
        }
        fill(self.tree.section(documents), &given);
        self.tree.inherits(documents, functions);
    }

    /// Finds out which backend a section picks and checks the settings of every backend in it.
    fn select(&mut self, port: &dyn Choices) -> Backend {
        let section = port.section();
        if let Some(name) = port.default_name() {
            fill(self.tree.section(section), &Dict::from([("backend".to_owned(), name.into())]));
        }
        let picked = match self.tree.section(section).get("backend") {
            Some(Value::String(_, name)) => name.clone(),
            // Of the wrong type: reading the section says so.
            _ => return Backend::default(),
        };
        if port.settings(&picked).is_none() {
            let mut message = port.refusal(&picked);
            if port.feature(&picked).is_none()
                && let Some(near) = nearest(&picked, &port.names())
            {
                message.push_str(&format!("; did you mean {near:?}?"));
            }
            let origin = self.tree.origin(&[section.to_owned(), "backend".to_owned()]);
            // An inherited choice was refused where it was made.
            if !self.problems.iter().any(|problem| problem.origin == origin && origin != Origin::Default) {
                self.problems.push(Problem { key: String::new(), origin, message });
            }
        }
        let mut backend = Backend { name: picked, settings: Settings::default() };
        for name in port.names() {
            let Some(settings) = port.settings(name) else { continue };
            let section = self.tree.section(section);
            if name != backend.name && !section.contains_key(name) {
                continue;
            }
            let entry = section.entry(name.to_owned()).or_insert_with(|| Dict::new().into());
            if let (Value::Dict(_, given), Ok(Value::Dict(_, defaults))) =
                (&mut *entry, (settings.defaults)())
            {
                fill(given, &defaults);
            }
            let value = entry.clone();
            if let Err(error) = (settings.check)(&value) {
                self.explain(&[port.section(), name], *error);
            } else if name == backend.name {
                backend.settings = Settings::new(value.deserialize().unwrap_or_default());
            }
        }
        backend
    }

    /// Reads the part of a section that is not a backend's own.
    fn section<T: DeserializeOwned + Default>(&mut self, section: &str) -> T {
        let mut values = self.tree.section(section).clone();
        if let Some(port) = self.registry.sections().into_iter().find(|port| port.section() == section) {
            values.retain(|key, _| !port.names().contains(&key.as_str()));
        }
        // A value that does not fit is set aside to find the others that do not.
        loop {
            let error = match T::deserialize(&Value::from(values.clone())) {
                Ok(section) => return section,
                Err(error) => error,
            };
            let set_aside = remove(&mut values, &error.path);
            self.explain(&[section], error);
            if !set_aside {
                return T::default();
            }
        }
    }

    fn explain(&mut self, prefix: &[&str], error: figment::Error) {
        for error in error {
            let mut path: Vec<String> = prefix.iter().map(|&key| key.to_owned()).collect();
            path.extend(error.path.iter().cloned());
            if let figment::error::Kind::MissingField(field) = &error.kind {
                path.push(field.clone().into_owned());
            }
            let message = words::wrong_value(&error.kind, self.shape.is_secret(&path));
            let problem = self.tree.problem(path, message);
            // `[documents]` repeats what it inherited.
            let repeated =
                |known: &Problem| known.origin == problem.origin && known.message == problem.message;
            if problem.origin == Origin::Default || !self.problems.iter().any(repeated) {
                self.problems.push(problem);
            }
        }
    }
}

/// Takes out the value at `path`; `false` when there is none.
fn remove(values: &mut Dict, path: &[String]) -> bool {
    match path {
        [] => false,
        [key] => values.remove(key).is_some(),
        [key, rest @ ..] => match values.get_mut(key) {
            Some(Value::Dict(_, below)) => remove(below, rest),
            Some(_) => values.remove(key).is_some(),
            None => false,
        },
    }
}

fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_lowercase(), known);
    known
        .iter()
        .copied()
        .filter(|known| distance(known) <= known.len() / 2)
        .min_by_key(|known| distance(known))
}
