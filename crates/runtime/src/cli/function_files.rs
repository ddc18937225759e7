//! Which functions a folder holds.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use tandem_contract::{FunctionName, Language};

/// A file that holds a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FunctionFile {
    /// The function's name.
    pub(super) name: FunctionName,
    /// Where it is.
    pub(super) path: PathBuf,
    /// By its extension.
    pub(super) language: Language,
}

/// What a walk found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// In order of name.
    pub(super) files: Vec<FunctionFile>,
    /// Files that look like functions and cannot be, with the reason.
    pub(super) refused: Vec<(PathBuf, String)>,
}

/// The functions in `paths`: a file is named by its stem, a file in a folder by its path in the
/// folder without the extension. Declarations, hidden folders and `node_modules` are passed over.
///
/// # Errors
/// When one of `paths` or a folder in it cannot be read.
pub(super) fn find(paths: &[PathBuf]) -> io::Result<Found> {
    let mut walk = Walk::default();
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|error| with_path(path, &error))?;
        if metadata.is_dir() {
            walk.folder(path, path)?;
        } else {
            let parent = path.parent().unwrap_or(Path::new(""));
            match language(path) {
                Some(language) => walk.add(parent, path.clone(), language),
                None => walk
                    .found
                    .refused
                    .push((path.clone(), "is not a .ts, .mts, .cts, .js, .mjs or .cjs file".to_owned())),
            }
        }
    }
    walk.found.files = walk.by_name.into_values().collect();
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    by_name: BTreeMap<FunctionName, FunctionFile>,
    found: Found,
}

impl Walk {
    fn folder(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
            .and_then(|entries| entries.map(|entry| entry.map(|entry| entry.path())).collect())
            .map_err(|error| with_path(folder, &error))?;
        entries.sort();
        for path in entries {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with('.') || name == "node_modules" {
                continue;
            }
            if path.is_dir() {
                // A link to a folder above would never end.
                if !path.is_symlink() {
                    self.folder(root, &path)?;
                }
            } else if let Some(language) = language(&path) {
                self.add(root, path, language);
            }
        }
        Ok(())
    }

    fn add(&mut self, root: &Path, path: PathBuf, language: Language) {
        let relative = path.strip_prefix(root).unwrap_or(&path).with_extension("");
        let segments: Vec<_> = relative.iter().map(|segment| segment.to_string_lossy()).collect();
        let name = match FunctionName::new(segments.join("/")) {
            Ok(name) => name,
            Err(error) => return self.found.refused.push((path, error.message().to_owned())),
        };
        if let Some(first) = self.by_name.get(&name) {
            if first.path != path {
                let reason = format!("has the same name as {}", first.path.display());
                self.found.refused.push((path, reason));
            }
            return;
        }
        self.by_name.insert(name.clone(), FunctionFile { name, path, language });
    }
}

fn language(path: &Path) -> Option<Language> {
    let name = path.file_name()?.to_str()?;
    let (stem, extension) = name.rsplit_once('.')?;
    match extension {
        "ts" | "mts" | "cts" if stem.ends_with(".d") => None,
        "ts" | "mts" | "cts" => Some(Language::TypeScript),
        "js" | "mjs" | "cjs" => Some(Language::JavaScript),
        _ => None,
    }
}

fn with_path(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_walked() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for file in [
            "hello.ts",
            "users/create.mjs",
            "users/types.d.ts",
            "node_modules/x/index.js",
            ".git/hook.js",
            "readme.md",
            "a b.ts",
            "hello.js",
            "v1.2.cts",
        ] {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = find(&[root.to_owned()]).unwrap();
        let names: Vec<_> = found.files.iter().map(|file| (file.name.as_str(), file.language)).collect();
        assert_eq!(
            names,
            [
                ("hello", Language::JavaScript),
                ("users/create", Language::JavaScript),
                ("v1.2", Language::TypeScript)
            ]
        );
        let refused: Vec<_> =
            found.refused.iter().map(|(path, _)| path.strip_prefix(root).unwrap()).collect();
        assert_eq!(refused, [Path::new("a b.ts"), Path::new("hello.ts")]);
    }

    #[test]
    fn a_file_is_named_by_its_stem() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sum.ts");
        std::fs::write(&path, "").unwrap();
        let found = find(std::slice::from_ref(&path)).unwrap();
        assert_eq!(found.files[0].name.as_str(), "sum");
        assert!(find(&[folder.path().join("missing.ts")]).is_err());
    }
}
