//! Several servers on one function store: each serves what any of them published.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tandem_tests::backend::{Backends, Place, unique_name};
use tandem_tests::case::{PublishOptions, Step};
use tandem_tests::client::{Answer, Client};
use tandem_tests::combination::Combination;
use tandem_tests::server::Server;
use tandem_tests::template::Names;

/// How soon a replica serves what another one published.
const WITHIN: Duration = Duration::from_secs(1);

/// Two servers on one store; the second may be on another engine.
struct Replicas {
    servers: [Server; 2],
    clients: [Client; 2],
    /// Holds the file of an embedded store.
    _folder: tempfile::TempDir,
}

impl Replicas {
    fn on(functions: &Place) -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let name = unique_name();
        let engines = Backends::of_this_machine().engines;
        let servers = [engines.first(), engines.last()].map(|engine| {
            let combination = Combination {
                engine: engine.expect("there is an engine"),
                functions: functions.clone(),
                documents: Place::Sqlite,
                blobs: Place::Memory,
            };
            let mut settings = BTreeMap::new();
            if *functions == Place::Sqlite {
                let path = folder.path().join("functions.db").display().to_string();
                settings.insert("functions.sqlite.path".to_owned(), path);
            }
            Server::start_beside(&combination, &settings, &name).expect("the server starts")
        });
        let clients = [Client::new(servers[0].url()), Client::new(servers[1].url())];
        Self { servers, clients, _folder: folder }
    }

    async fn publish(&self, replica: usize, name: &str, value: u32) {
        let source = format!("export default () => {value}");
        let answer = self.clients[replica].publish(name, &source, &PublishOptions::default()).await;
        let answer = answer.expect("there is an answer");
        assert!(answer.status < 300, "{}", answer.text());
    }

    async fn invoke(&self, replica: usize, name: &str) -> Answer {
        let step = Step { invoke: Some(name.into()), ..Step::default() };
        self.clients[replica].step(&step, &Names::default()).await.expect("there is an answer")
    }

    /// Waits until a replica answers with `status` and `text`.
    async fn until(&self, replica: usize, name: &str, status: u16, text: &str) {
        let deadline = Instant::now() + WITHIN;
        loop {
            let answer = self.invoke(replica, name).await;
            if answer.status == status && answer.text().contains(text) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "replica {replica} answers {name} with {} {} and not with {status} {text}",
                answer.status,
                answer.text()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn stores() -> Vec<Place> {
    Backends::of_this_machine().functions
}

#[tokio::test]
async fn each_replica_serves_new_versions_and_drops_what_was_deleted() {
    for store in stores() {
        let replicas = Replicas::on(&store);
        for round in 1..=3 {
            let (here, there) = ((round % 2) as usize, ((round + 1) % 2) as usize);
            replicas.publish(here, "shared", round).await;
            replicas.until(there, "shared", 200, &round.to_string()).await;
        }
        let delete =
            Step { path: Some("/functions/shared".into()), method: Some("DELETE".into()), ..Step::default() };
        let deleted = replicas.clients[0].step(&delete, &Names::default()).await.expect("there is an answer");
        assert!(deleted.status < 300, "{store}: {}", deleted.text());
        replicas.until(1, "shared", 404, "FUNCTION_NOT_FOUND").await;
    }
}

#[tokio::test]
async fn a_change_of_an_import_reaches_the_importer_on_every_replica() {
    for store in stores() {
        let replicas = Replicas::on(&store);
        let publish = async |name: &str, source: &str| {
            let answer = replicas.clients[0].publish(name, source, &PublishOptions::default()).await;
            assert!(answer.expect("there is an answer").status < 300, "{store}: {name}");
        };
        publish("lib", "export const value = 'one'").await;
        publish("user", "import { value } from '@/lib'; export default () => value").await;
        replicas.until(1, "user", 200, "one").await;
        publish("lib", "export const value = 'two'").await;
        replicas.until(1, "user", 200, "two").await;
    }
}

#[tokio::test]
async fn of_two_publishers_with_one_revision_in_mind_one_wins() {
    for store in stores() {
        let replicas = Replicas::on(&store);
        replicas.publish(0, "contended", 0).await;
        let put = |replica: usize, value: u32| {
            let body = serde_json::json!({ "source": format!("export default () => {value}") });
            let step = Step {
                path: Some("/functions/contended".into()),
                method: Some("PUT".into()),
                headers: BTreeMap::from([("if-match".into(), "\"1\"".into())]),
                json: Some(body),
                ..Step::default()
            };
            let client = replicas.clients[replica].clone();
            async move { client.step(&step, &Names::default()).await.expect("there is an answer") }
        };
        let (first, second) = tokio::join!(put(0, 1), put(1, 2));
        let mut statuses = [first.status, second.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{store}: {} and {}", first.text(), second.text());
        let winner = if first.status == 200 { "1" } else { "2" };
        for replica in [0, 1] {
            replicas.until(replica, "contended", 200, winner).await;
        }
    }
}

#[tokio::test]
async fn what_a_killed_replica_missed_is_there_when_it_is_back() {
    for store in stores() {
        let mut replicas = Replicas::on(&store);
        replicas.publish(0, "missed", 1).await;
        replicas.until(1, "missed", 200, "1").await;
        replicas.servers[1].kill();
        replicas.publish(0, "missed", 2).await;
        replicas.servers[1].spawn().expect("the server starts again");
        replicas.clients[1] = Client::new(replicas.servers[1].url());
        replicas.until(1, "missed", 200, "2").await;
    }
}
