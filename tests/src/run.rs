//! Runs a case.

use std::time::{Duration, Instant};

use crate::case::{NamedCase, PublishOptions, Step};
use crate::client::Client;
use crate::expect;
use crate::server::Server;
use crate::template::Names;

/// Between tries of a step that may take a while.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs `case` against `server`.
///
/// # Errors
/// The step that failed and how.
pub fn run(case: &NamedCase, server: &Server) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(run_steps(case, &Client::new(server.url())))
}

async fn run_steps(case: &NamedCase, client: &Client) -> Result<(), String> {
    let names = Names::of_case(&case.name, case.case.functions.keys());
    for (name, source) in &case.case.functions {
        let options = case.case.publish.get(name).cloned().unwrap_or_default();
        publish(client, &names, name, source, &options).await?;
    }
    for (index, step) in case.case.steps.iter().enumerate() {
        run_step(client, &names, step).await.map_err(|error| format!("step {}: {error}", index + 1))?;
    }
    Ok(())
}

async fn publish(
    client: &Client,
    names: &Names,
    name: &str,
    source: &str,
    options: &PublishOptions,
) -> Result<(), String> {
    let answer = client.publish(&names.published(name), &names.fill(source), options).await?;
    match answer.status {
        200 | 201 => Ok(()),
        status => Err(format!("publishing {name} gave {status}: {}", answer.text())),
    }
}

async fn run_step(client: &Client, names: &Names, step: &Step) -> Result<(), String> {
    if let Some(milliseconds) = step.wait {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
    if let Some(source) = &step.publish {
        let name = step.invoke.as_deref().unwrap_or("main");
        publish(client, names, name, source, &PublishOptions::default()).await?;
    }
    match step.times {
        None => until_met(client, names, step).await,
        Some(times) => at_once(client, names, step, times).await,
    }
}

async fn until_met(client: &Client, names: &Names, step: &Step) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_millis(step.within.unwrap_or(0));
    loop {
        let answer = client.step(step, names).await?;
        match expect::check(&step.expect, &answer, names) {
            Err(_) if Instant::now() < deadline => tokio::time::sleep(PAUSE).await,
            met => return met,
        }
    }
}

async fn at_once(client: &Client, names: &Names, step: &Step, times: usize) -> Result<(), String> {
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..times {
        let (client, step, names) = (client.clone(), step.clone(), names.with("i", number));
        tasks.spawn(async move {
            let answer = client.step(&step, &names).await?;
            expect::check(&step.expect, &answer, &names).map_err(|error| format!("number {number}: {error}"))
        });
    }
    while let Some(finished) = tasks.join_next().await {
        finished.map_err(|error| error.to_string())??;
    }
    Ok(())
}
