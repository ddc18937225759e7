//! Every case in `cases/` on every combination, as one test each: `quickjs/sqlite/local/…`.

use std::collections::{BTreeMap, HashMap};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};
use tandem_tests::case::{self, NamedCase};
use tandem_tests::combination::Combination;
use tandem_tests::run;
use tandem_tests::server::Server;

type Key = (Combination, BTreeMap<String, String>);
type Slot = Arc<Mutex<Option<Arc<Server>>>>;

/// Servers that cases with the same settings share.
#[derive(Default)]
struct Servers(Mutex<HashMap<Key, Slot>>);

impl Servers {
    fn get(&self, key: Key) -> Result<Arc<Server>, String> {
        let slot = Arc::clone(self.0.lock().expect("no test panics here").entry(key.clone()).or_default());
        let mut slot = slot.lock().map_err(|_| "the server did not start")?;
        match &*slot {
            Some(server) => Ok(Arc::clone(server)),
            None => Ok(Arc::clone(slot.insert(Arc::new(Server::start(&key.0, &key.1)?)))),
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let cases = match case::read_all(&folder) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let servers = Arc::new(Servers::default());
    let mut trials = Vec::new();
    for combination in Combination::all() {
        for case in &cases {
            let (servers, combination, case) = (Arc::clone(&servers), combination.clone(), case.clone());
            trials.push(Trial::test(format!("{combination}/{}", case.name), move || {
                run_one(&servers, combination, &case).map_err(Into::into)
            }));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(servers);
    conclusion.exit_code()
}

fn run_one(servers: &Servers, combination: Combination, case: &NamedCase) -> Result<(), String> {
    let config = case.case.config.clone();
    if case.case.alone {
        return run::run(case, &Server::start(&combination, &config)?);
    }
    run::run(case, &*servers.get((combination, config))?)
}
