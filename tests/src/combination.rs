//! The combinations of engine and stores that this machine offers.

use std::fmt;
use std::sync::OnceLock;

use crate::backend::{Backends, Place};

/// One choice of every part.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Combination {
    /// `quickjs` or `v8`.
    pub engine: &'static str,
    /// Where functions live.
    pub functions: Place,
    /// Where documents live.
    pub documents: Place,
    /// Where objects live.
    pub blobs: Place,
}

impl Combination {
    /// Every combination that can be had here.
    ///
    /// Each engine meets each function store with each document store. The blob stores are dealt
    /// round, so that each meets every engine and every other store; with `TANDEM_TEST_MATRIX=full`
    /// each meets each combination.
    pub fn all() -> &'static [Self] {
        static ALL: OnceLock<Vec<Combination>> = OnceLock::new();
        ALL.get_or_init(|| {
            let full = std::env::var("TANDEM_TEST_MATRIX").is_ok_and(|matrix| matrix == "full");
            dealt(&Backends::of_this_machine(), full)
        })
    }

    /// The settings that choose it.
    pub fn settings(&self) -> Vec<(String, String)> {
        let mut settings = vec![("engine.backend".to_owned(), self.engine.to_owned())];
        for (section, place) in
            [("functions", &self.functions), ("documents", &self.documents), ("storage", &self.blobs)]
        {
            settings.extend(place.settings(section));
        }
        settings
    }
}

fn dealt(backends: &Backends, full: bool) -> Vec<Combination> {
    let mut all = Vec::new();
    let mut turn = 0;
    for engine in &backends.engines {
        for functions in &backends.functions {
            for documents in &backends.documents {
                let count = if full { backends.blobs.len() } else { 1 };
                for blobs in backends.blobs.iter().cycle().skip(turn).take(count) {
                    all.push(Combination {
                        engine,
                        functions: functions.clone(),
                        documents: documents.clone(),
                        blobs: blobs.clone(),
                    });
                }
                turn = (turn + 1) % backends.blobs.len();
            }
        }
    }
    // Where there are more blob stores than combinations, those left over come on top.
    for engine in &backends.engines {
        for blobs in &backends.blobs {
            if !all.iter().any(|made| made.engine == *engine && made.blobs == *blobs) {
                let (functions, documents) = (backends.functions[0].clone(), backends.documents[0].clone());
                all.push(Combination { engine, functions, documents, blobs: blobs.clone() });
            }
        }
    }
    all
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, functions, documents, blobs } = self;
        if functions.name() == documents.name() {
            write!(f, "{engine}/{functions}/{blobs}")
        } else {
            write!(f, "{engine}/{functions}+{documents}/{blobs}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backends() -> Backends {
        Backends {
            engines: vec!["quickjs", "v8"],
            functions: vec![Place::Sqlite, Place::postgres("u"), Place::mongo("u")],
            documents: vec![Place::Sqlite, Place::postgres("u"), Place::mongo("u")],
            blobs: vec![Place::Local, Place::Memory],
        }
    }

    #[test]
    fn each_engine_meets_each_pair_of_stores_and_each_blob_store() {
        let dealt = dealt(&backends(), false);
        assert_eq!(dealt.len(), 2 * 3 * 3);
        for engine in ["quickjs", "v8"] {
            for blobs in [Place::Local, Place::Memory] {
                assert!(dealt.iter().any(|one| one.engine == engine && one.blobs == blobs));
            }
        }
    }

    #[test]
    fn the_full_matrix_is_the_product() {
        assert_eq!(dealt(&backends(), true).len(), 2 * 3 * 3 * 2);
    }

    #[test]
    fn no_blob_store_is_left_out_on_the_embedded_stores_alone() {
        let few = Backends {
            engines: vec!["quickjs"],
            functions: vec![Place::Sqlite],
            documents: vec![Place::Sqlite],
            ..backends()
        };
        let names: Vec<String> = dealt(&few, false).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["quickjs/sqlite/local", "quickjs/sqlite/memory"]);
    }
}
