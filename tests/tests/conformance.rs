//! Every case in `cases/` on every combination, as one test each: `quickjs/sqlite/local/…`.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Trial};
use tandem_tests::backend::unique_name;
use tandem_tests::case::{self, NamedCase};
use tandem_tests::combination::Combination;
use tandem_tests::run;
use tandem_tests::server::Server;

type Settings = BTreeMap<String, String>;

/// A server that cases with the same settings share, from the first of them to the last.
struct Shared {
    combination: &'static Combination,
    settings: Settings,
    data: String,
    state: Mutex<State>,
}

struct State {
    server: Option<Arc<Server>>,
    cases_to_come: usize,
}

impl Shared {
    fn run(&self, case: &NamedCase) -> Result<(), String> {
        let outcome = self.server().and_then(|server| run::run(case, &server));
        let mut state = self.state.lock().expect("no test panics here");
        state.cases_to_come -= 1;
        if state.cases_to_come == 0 {
            state.server = None;
        }
        outcome
    }

    fn server(&self) -> Result<Arc<Server>, String> {
        let mut state = self.state.lock().map_err(|_| "the server did not start")?;
        match &state.server {
            Some(server) => Ok(Arc::clone(server)),
            None => {
                let server = Server::start_beside(self.combination, &self.settings, &self.data)?;
                Ok(Arc::clone(state.server.insert(Arc::new(server))))
            }
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
    let trials = Combination::all().iter().flat_map(|combination| trials(combination, &cases, &arguments));
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Cases with the same settings stand together, so that few servers run at once.
fn trials(combination: &'static Combination, cases: &[NamedCase], arguments: &Arguments) -> Vec<Trial> {
    let data = unique_name();
    let mut groups: BTreeMap<&Settings, Vec<&NamedCase>> = BTreeMap::new();
    let chosen = |case: &&NamedCase| is_chosen(arguments, &name(combination, case));
    for case in cases.iter().filter(chosen) {
        groups.entry(&case.case.config).or_default().push(case);
    }
    let mut trials = Vec::new();
    for (settings, cases) in groups {
        let (alone, together): (Vec<_>, Vec<_>) = cases.into_iter().partition(|case| case.case.alone);
        let state = Mutex::new(State { server: None, cases_to_come: together.len() });
        let shared = Arc::new(Shared { combination, settings: settings.clone(), data: data.clone(), state });
        for case in together {
            let case = case.clone();
            let shared = Arc::clone(&shared);
            trials.push(Trial::test(name(combination, &case), move || Ok(shared.run(&case)?)));
        }
        for case in alone.into_iter().cloned() {
            trials.push(Trial::test(name(combination, &case), move || {
                Ok(run::run(&case, &Server::start(combination, &case.case.config)?)?)
            }));
        }
    }
    trials
}

fn name(combination: &Combination, case: &NamedCase) -> String {
    format!("{combination}/{}", case.name)
}

/// Whether the case will be run: only those count for the life of a server.
fn is_chosen(arguments: &Arguments, name: &str) -> bool {
    let fits =
        |filter: &String| if arguments.exact { name == filter } else { name.contains(filter.as_str()) };
    arguments.filter.as_ref().is_none_or(fits) && !arguments.skip.iter().any(fits)
}
