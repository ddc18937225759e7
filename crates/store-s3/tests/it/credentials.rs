//! Where credentials come from: the process's environment, which is why each case is a process.

use std::process::{Command, Output};

use serde_json::json;
use tandem_contract::Bucket;

use crate::scripted::{Scripted, Then};
use crate::servers::{self, Server};

/// Opens the store as a server would, without keys in its settings.
#[tokio::test]
#[ignore = "run by the tests below, in an environment of their making"]
async fn child() {
    let mut settings =
        json!({ "endpoint": std::env::var("CHILD_ENDPOINT").unwrap(), "create_buckets": true });
    if let Ok(profile) = std::env::var("CHILD_PROFILE") {
        settings["profile"] = profile.into();
    }
    match servers::open(settings).await {
        Ok(store) => {
            store.ping(&Bucket::new("test").unwrap()).await.unwrap();
            println!("reached");
        }
        Err(error) => println!("{error}"),
    }
}

/// What a child says in an environment of only these variables. It runs on a thread, because this
/// process may have to answer it.
async fn says(server: &Server, variables: Vec<(&'static str, String)>) -> String {
    let endpoint = server.endpoint.clone();
    let run = move || -> Output {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "credentials::child", "--ignored", "--nocapture"]).env_clear();
        child.env("CHILD_ENDPOINT", endpoint).env("HOME", "/nonexistent").envs(variables);
        child.output().unwrap()
    };
    let output = tokio::task::spawn_blocking(run).await.unwrap();
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(!text.contains(&server.secret_key), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_a_profile_and_a_role_give_credentials() {
    for server in servers::all() {
        let (access, secret) = (server.access_key.clone(), server.secret_key.clone());
        let variables =
            vec![("AWS_ACCESS_KEY_ID", access.clone()), ("AWS_SECRET_ACCESS_KEY", secret.clone())];
        let said = says(&server, variables).await;
        assert!(said.contains("reached"), "{said}");

        let file =
            std::env::temp_dir().join(format!("tandem-credentials-{}-{}", server.name, std::process::id()));
        std::fs::write(
            &file,
            format!("[tandem]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"),
        )
        .unwrap();
        let path = file.display().to_string();
        let said = says(
            &server,
            vec![("AWS_SHARED_CREDENTIALS_FILE", path), ("CHILD_PROFILE", "tandem".to_owned())],
        )
        .await;
        std::fs::remove_file(&file).unwrap();
        assert!(said.contains("reached"), "{said}");

        let role = json!({ "AccessKeyId": access, "SecretAccessKey": secret, "Token": "", "Expiration": "2099-01-01T00:00:00Z" });
        let agent = Scripted::new(vec![], Then::Answer(200, role.to_string())).await;
        let address = format!("{}/role", agent.endpoint);
        let said = says(&server, vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", address)]).await;
        assert!(said.contains("reached") && agent.seen().iter().all(|line| line == "GET /role"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_credentials_at_all_is_said() {
    for server in servers::all() {
        let said = says(&server, vec![("AWS_EC2_METADATA_DISABLED", "true".to_owned())]).await;
        assert!(said.contains("INVALID_ARGUMENT") && said.contains("storage.s3.access_key"), "{said}");
    }
}
