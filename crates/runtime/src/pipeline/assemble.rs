use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tandem_contract::{Error, ErrorKind, Module, ModuleFormat, Program, Result};

use super::unit::{Text, Unit};

/// Where assembly finds the units that a program imports.
pub(super) trait Units {
    /// The unit `name`, or `None` when there is no such function.
    async fn unit(&mut self, name: &str) -> Result<Option<Arc<Unit>>>;
}

/// A program, or why there is none, and every name the answer depends on: a change in any of
/// them, the appearance of a missing one included, makes it stale.
pub(super) struct Assembled {
    pub(super) program: Result<Arc<Program>>,
    pub(super) depends: Vec<Arc<str>>,
}

/// Follows the imports of `root` and puts its program together.
///
/// # Errors
/// Those of the store. What is wrong with the functions themselves (a cycle, a missing import, a
/// text that does not parse) is in [`Assembled::program`].
pub(super) async fn assemble(units: &mut impl Units, root: Arc<Unit>) -> Result<Assembled> {
    let mut depends = vec![root.name.clone()];
    let program = match reach(units, root, &mut depends).await? {
        Ok(reached) => link(&reached).map(Arc::new),
        Err(Blocked::Cycle(message)) => Err(Error::new(ErrorKind::FunctionError, message)),
        Err(Blocked::Import(refusal)) => Err(refusal),
    };
    Ok(Assembled { program, depends })
}

/// A sentence that names the cycle among what `root` reaches, if there is one. Imports that do not
/// exist yet are no error: functions may be published in any order.
///
/// # Errors
/// Those of the store.
pub(super) async fn find_cycle(units: &mut impl Units, root: Arc<Unit>) -> Result<Option<String>> {
    match reach(units, root, &mut Vec::new()).await? {
        Err(Blocked::Cycle(message)) => Ok(Some(message)),
        Err(Blocked::Import(_)) | Ok(_) => Ok(None),
    }
}

/// Why there is no program.
enum Blocked {
    Cycle(String),
    Import(Error),
}

struct Frame {
    unit: Arc<Unit>,
    next: usize,
}

/// Depth first, without recursion: a chain of imports may be as long as its author likes.
async fn reach(
    units: &mut impl Units,
    root: Arc<Unit>,
    depends: &mut Vec<Arc<str>>,
) -> Result<Result<Vec<Arc<Unit>>, Blocked>> {
    let mut seen: HashSet<Arc<str>> = HashSet::from([root.name.clone()]);
    let mut reached = vec![root.clone()];
    let mut path = vec![Frame { unit: root, next: 0 }];
    while let Some(frame) = path.last_mut() {
        let Some(import) = frame.unit.imports().get(frame.next) else {
            path.pop();
            continue;
        };
        frame.next += 1;
        let import: Arc<str> = import.as_str().into();
        let importer = frame.unit.name.clone();
        let required =
            matches!(&frame.unit.text, Text::Loaded(module) if module.format == ModuleFormat::CommonJs);
        if let Some(start) = path.iter().position(|frame| frame.unit.name == import) {
            return Ok(Err(Blocked::Cycle(cycle(&path[start..], &import))));
        }
        if !seen.insert(import.clone()) {
            continue;
        }
        depends.push(import.clone());
        let Some(unit) = units.unit(&import).await? else {
            if required {
                // `require` runs when it is reached, if ever: the engine refuses it then.
                continue;
            }
            return Ok(Err(refused_import(&import, &importer, "does not exist")));
        };
        match &unit.text {
            Text::Loaded(_) => {}
            Text::NotCompiled => {
                return Ok(Err(refused_import(&import, &importer, "is not compiled: publish it again")));
            }
            Text::Refused(refusal) => return Ok(Err(Blocked::Import(refusal.clone()))),
        }
        reached.push(unit.clone());
        path.push(Frame { unit, next: 0 });
    }
    Ok(Ok(reached))
}

fn cycle(path: &[Frame], back: &str) -> String {
    let mut message = String::from("Import cycle: ");
    for frame in path {
        message.push_str("@/");
        message.push_str(&frame.unit.name);
        message.push_str(" → ");
    }
    message + "@/" + back
}

fn refused_import(import: &str, importer: &str, why: &str) -> Blocked {
    let message = format!("Function \"@/{import}\" imported by {importer:?} {why}");
    Blocked::Import(Error::new(ErrorKind::FunctionError, message))
}

fn link(units: &[Arc<Unit>]) -> Result<Program> {
    let mut digest = Sha256::new();
    let mut modules = Vec::with_capacity(units.len());
    for unit in units {
        let module = match &unit.text {
            Text::Loaded(module) => module,
            Text::NotCompiled => return Err(not_compiled(&unit.name)),
            Text::Refused(refusal) => return Err(refusal.clone()),
        };
        // Neither a name nor a hash holds a line break, so no two lists give the same text.
        for part in [module.name.as_str(), "\n", module.hash.as_str(), "\n"] {
            digest.update(part);
        }
        modules.push(copy(module));
    }
    let name = units.first().map_or_else(|| Arc::from(""), |root| root.name.clone());
    Ok(Program { name, hash: hex(&digest.finalize()).into(), modules })
}

fn not_compiled(name: &str) -> Error {
    Error::new(
        ErrorKind::FunctionNotCompiled,
        format!("Function {name:?} is stored without compiled text: publish it again"),
    )
}

fn copy(module: &Module) -> Module {
    Module {
        name: module.name.clone(),
        format: module.format,
        code: module.code.clone(),
        hash: module.hash.clone(),
        imports: module.imports.clone(),
        map: module.map.clone(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}
