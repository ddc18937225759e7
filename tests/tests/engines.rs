//! The same programs on every engine: whatever a client can see must be equal.
//!
//! `TANDEM_TEST_PROGRAMS` says how many (200 where it is not set), `TANDEM_TEST_SEED` which is the
//! first.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use tandem_tests::backend::{Backends, Place};
use tandem_tests::case::PublishOptions;
use tandem_tests::client::Client;
use tandem_tests::combination::Combination;
use tandem_tests::programs::{Program, Seen, generate, minimize};
use tandem_tests::server::Server;
use tandem_tests::template::Names;

const PROGRAMS: u64 = 200;
/// Differences that are reported before the run ends.
const REPORTED: usize = 10;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

fn start(engine: &'static str) -> Server {
    let combination =
        Combination { engine, functions: Place::Sqlite, documents: Place::Sqlite, blobs: Place::Memory };
    // How many isolates a function has, and so what its module state is, depends on the machine's load.
    let settings = BTreeMap::from([("engine.isolates_per_function".to_owned(), "1".into())]);
    Server::start(&combination, &settings).expect("the server starts")
}

/// What a server answers to each request of a program.
async fn run(client: &Client, name: &str, program: &Program) -> Result<Vec<Seen>, String> {
    let options = PublishOptions { language: Some("javascript".into()), ..PublishOptions::default() };
    let published = client.publish(name, &program.source(), &options).await?;
    if published.status >= 300 {
        return Err(format!("it does not compile: {}", published.text()));
    }
    let mut seen = Vec::new();
    for request in &program.requests {
        let mut request = request.clone();
        request.invoke = Some(name.to_owned());
        // The client's own words name its server.
        let answer = client.step(&request, &Names::default()).await.map_err(|_| "the answer broke off")?;
        seen.push(Seen::of(&answer)?);
    }
    Ok(seen)
}

/// The answers of each engine.
async fn on_each(clients: &[Client], name: &str, program: &Program) -> Vec<Result<Vec<Seen>, String>> {
    let mut answers = Vec::new();
    for client in clients {
        answers.push(run(client, name, program).await);
    }
    answers
}

async fn differs(clients: &[Client], program: &Program) -> bool {
    let answers = on_each(clients, "minimized", program).await;
    answers.windows(2).any(|pair| pair[0] != pair[1])
}

#[tokio::test]
async fn every_engine_answers_alike() {
    let engines = Backends::of_this_machine().engines;
    let servers: Vec<Server> = engines.iter().map(|engine| start(engine)).collect();
    let clients: Vec<Client> = servers.iter().map(|server| Client::new(server.url())).collect();
    let first = number("TANDEM_TEST_SEED", 0);
    let mut reports = Vec::new();
    let mut broken = 0;
    let count = number("TANDEM_TEST_PROGRAMS", PROGRAMS);
    for seed in first..first + count {
        let program = generate(seed);
        // Few names: a new version replaces the one before, as it does in use.
        let answers = on_each(&clients, &format!("program-{}", seed % 8), &program).await;
        broken += usize::from(answers.iter().any(Result::is_err));
        if answers.windows(2).any(|pair| pair[0] != pair[1]) {
            let smallest = minimize(program, |candidate| {
                let clients = clients.clone();
                async move { differs(&clients, &candidate).await }
            })
            .await;
            let answers = on_each(&clients, "minimized", &smallest).await;
            let each: Vec<String> = engines
                .iter()
                .zip(answers)
                .map(|(engine, answer)| format!("{engine}: {answer:#?}"))
                .collect();
            reports.push(format!("seed {seed}:\n{}\n{}", smallest.source(), each.join("\n")));
            if reports.len() == REPORTED {
                break;
            }
        }
    }
    assert!(reports.is_empty(), "{} differences:\n\n{}", reports.len(), reports.join("\n\n"));
    assert!(broken as u64 * 10 <= count, "{broken} of {count} programs did not compile");
    println!("{count} programs on {engines:?}: no difference");
}
