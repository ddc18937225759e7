//! Documents and the operations on them.

use std::collections::BTreeMap;
use std::path::Path;

use bson::{Bson, Document, doc};
use fastrand::Rng;

use crate::operation::documents;
use crate::{filters, pipelines, updates, values};

/// Operations on the same documents; each finds them as they are here.
pub(crate) struct Group {
    /// For messages.
    pub(crate) name: String,
    pub(crate) documents: Vec<Document>,
    /// Other collections, by name.
    pub(crate) others: BTreeMap<String, Vec<Document>>,
    /// Paths with an index each, which must not change any answer.
    pub(crate) indexes: Vec<String>,
    pub(crate) operations: Vec<Document>,
}

impl Group {
    /// Every file of a folder: arrays of `{documents, others?, cases}` in extended JSON.
    pub(crate) fn read_folder(folder: &Path) -> Vec<Self> {
        let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
        files.sort();
        let mut all = Vec::new();
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            let groups: Vec<Document> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let name = file.file_stem().unwrap_or_default().to_string_lossy();
            all.extend(
                groups.iter().enumerate().map(|(at, group)| Self::read(format!("{name} {at}"), group)),
            );
        }
        all
    }

    fn read(name: String, group: &Document) -> Self {
        let others = group.get_document("others").cloned().unwrap_or_default();
        Self {
            name,
            documents: documents(group.get("documents")),
            others: others.iter().map(|(name, value)| (name.clone(), documents(Some(value)))).collect(),
            indexes: Vec::new(),
            operations: documents(group.get("cases")),
        }
    }

    /// More than 3,000 operations on few names, so that they meet.
    pub(crate) fn generate(seed: u64) -> Vec<Self> {
        const GROUPS: u64 = 64;
        (0..GROUPS).map(|number| Self::random(seed, number)).collect()
    }

    fn random(seed: u64, number: u64) -> Self {
        const OPERATIONS: usize = 50;
        let mut rng = Rng::with_seed(seed.wrapping_mul(1000).wrapping_add(number));
        let count = rng.i32(3..9);
        let documents = (0..count).map(|id| values::document(&mut rng, id)).collect();
        let others = (0..rng.i32(1..5)).map(|id| values::document(&mut rng, id)).collect();
        let mut indexes: Vec<String> = (0..rng.u8(0..4)).map(|_| values::plain_path(&mut rng)).collect();
        indexes.sort();
        indexes.dedup();
        let operations = (0..OPERATIONS).map(|_| operation(&mut rng)).collect();
        Self {
            name: format!("generated {number}"),
            documents,
            others: BTreeMap::from([("o".to_owned(), others)]),
            indexes,
            operations,
        }
    }
}

fn operation(rng: &mut Rng) -> Document {
    match rng.u8(0..20) {
        0..5 => find(rng),
        5..10 => updates::update(rng),
        10..15 => pipelines::aggregate(rng),
        15 => doc! { "distinct": values::path(rng), "filter": filters::filter(rng), "unordered": true },
        16 => count(rng),
        17 => updates::find_and_modify(rng),
        18 => updates::bulk(rng),
        _ => doc! { "delete": true, "filter": filters::filter(rng), "many": rng.bool() },
    }
}

fn find(rng: &mut Rng) -> Document {
    let mut find = doc! { "filter": filters::filter(rng) };
    if rng.bool() {
        find.insert("sort", values::sort(rng));
        if rng.u8(0..3) == 0 {
            find.insert("skip", rng.i32(0..3));
            find.insert("limit", rng.i32(1..4));
        }
    } else {
        find.insert("unordered", true);
    }
    if rng.u8(0..3) == 0 {
        find.insert("projection", filters::projection(rng));
    }
    find
}

fn count(rng: &mut Rng) -> Document {
    let mut count = doc! { "count": true, "filter": filters::filter(rng) };
    if rng.bool() {
        count.extend([
            ("skip".to_owned(), Bson::Int32(rng.i32(0..3))),
            ("limit".to_owned(), Bson::Int32(rng.i32(1..4))),
        ]);
    }
    count
}
