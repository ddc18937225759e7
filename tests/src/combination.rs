//! The combinations of engine and stores that this machine offers.

use std::fmt;

/// One choice of every part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Combination {
    /// `quickjs` or `v8`.
    pub engine: &'static str,
    /// Where functions live.
    pub functions: &'static str,
    /// Where documents live.
    pub documents: &'static str,
    /// Where objects live.
    pub blobs: &'static str,
}

/// The rows of the matrix: engines, function stores with their document stores, blob stores.
const ENGINES: [&str; 1] = ["quickjs"];
const STORES: [(&str, &str); 1] = [("sqlite", "sqlite")];
const BLOBS: [&str; 2] = ["local", "memory"];

impl Combination {
    /// Every combination that can be had here.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for engine in ENGINES {
            for (functions, documents) in STORES {
                for blobs in BLOBS {
                    all.push(Self { engine, functions, documents, blobs });
                }
            }
        }
        all
    }

    /// The settings that choose it.
    pub fn settings(&self) -> Vec<(String, String)> {
        [
            ("engine.backend", self.engine),
            ("functions.backend", self.functions),
            ("documents.backend", self.documents),
            ("storage.backend", self.blobs),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.functions == self.documents {
            write!(f, "{}/{}/{}", self.engine, self.functions, self.blobs)
        } else {
            write!(f, "{}/{}+{}/{}", self.engine, self.functions, self.documents, self.blobs)
        }
    }
}
