use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tandem_contract::{Clock, Error, Expected, FunctionName};

use super::args::DevArgs;
use super::code_frame::{Place, describe};
use super::failure::{Exit, Failure, operator_text};
use super::function_files::{self, FunctionFile};
use super::output::{self, BAD, DIM, GOOD, STRONG};
use super::running::{self, Running};
use super::signals;
use super::watch::FolderWatch;
use crate::pipeline::{Pipeline, Publish};

/// `tandem dev`
pub(super) fn run(args: &DevArgs) -> Result<(), Failure> {
    if !args.folder.is_dir() {
        let message = format!("{} is not a folder", args.folder.display());
        return Err(Failure::new(Exit::Usage, message));
    }
    let (config, registry) = running::configure(&args.settings, args.listen)?;
    running::block_on(async {
        // Watched before it is read for the first time, so that no change falls in between.
        let watch = FolderWatch::start(&args.folder).map_err(|error| {
            Failure::new(Exit::Failed, format!("{} cannot be watched: {error}", args.folder.display()))
        })?;
        let stop = signals::stop();
        let running = Running::open(config, &registry).await?;
        let folder = Folder {
            path: args.folder.clone(),
            url: running.url(),
            pipeline: running.app.pipeline().clone(),
            clock: running.context.clock.clone(),
            seen: BTreeMap::new(),
            refused: Vec::new(),
        };
        let token = running.token.secret.expose().to_owned();
        let serving = running.app.serve(running.listener, stop);
        tokio::select! {
            served = serving => Ok(served?),
            never = folder.follow(watch, &token) => match never {},
        }
    })
}

/// A folder whose functions are kept published.
struct Folder {
    path: PathBuf,
    url: String,
    pipeline: Arc<Pipeline>,
    clock: Arc<dyn Clock>,
    /// What was last tried of each function, whether it compiled or not.
    seen: BTreeMap<FunctionName, Seen>,
    /// What was last said of files that cannot be functions.
    refused: Vec<(PathBuf, String)>,
}

struct Seen {
    file: PathBuf,
    source: String,
    published: bool,
}

impl Folder {
    async fn follow(mut self, mut watch: FolderWatch, token: &str) -> std::convert::Infallible {
        self.publish_changes().await;
        self.introduce(token);
        loop {
            watch.changed().await;
            self.publish_changes().await;
        }
    }

    /// What a newcomer needs to make the first call.
    fn introduce(&self, token: &str) {
        output::line("");
        output::line(format_args!("{STRONG}token{STRONG:#}  {token}"));
        if let Some((name, _)) = self.seen.iter().find(|(_, seen)| seen.published) {
            output::line(format_args!(
                "{STRONG}try{STRONG:#}    curl -i -H 'x-develop-token: {token}' {}/invoke/{name}",
                self.url
            ));
        }
        let folder = self.path.display();
        output::line(format_args!("{DIM}serving {} and watching {folder}; Ctrl-C stops{DIM:#}", self.url));
    }

    /// Brings the server to what the folder holds now.
    async fn publish_changes(&mut self) {
        let found = match function_files::find(std::slice::from_ref(&self.path)) {
            Ok(found) => found,
            Err(error) => return output::note(format_args!("{BAD}{error}{BAD:#}")),
        };
        for (path, reason) in &found.refused {
            if !self.refused.iter().any(|(known, said)| known == path && said == reason) {
                output::note(format_args!("{BAD}{}{BAD:#}: {reason}", path.display()));
            }
        }
        self.refused = found.refused;
        let gone: Vec<FunctionName> = self
            .seen
            .keys()
            .filter(|name| !found.files.iter().any(|file| file.name == **name))
            .cloned()
            .collect();
        let width = found.files.iter().map(|file| file.name.as_str().len()).max().unwrap_or(0);
        for file in found.files {
            self.publish_changed(file, width).await;
        }
        for name in gone {
            self.delete(&name).await;
        }
        if self.seen.is_empty() {
            let folder = self.path.display();
            output::note(format_args!("no functions in {folder} yet: save a .ts or .js file there"));
        }
    }

    async fn publish_changed(&mut self, file: FunctionFile, width: usize) {
        let FunctionFile { name, path, language } = file;
        let source = match std::fs::read_to_string(&path) {
            Ok(source) => source,
            Err(error) => {
                return output::note(format_args!("{BAD}{}{BAD:#} cannot be read: {error}", path.display()));
            }
        };
        if self.seen.get(&name).is_some_and(|seen| seen.file == path && seen.source == source) {
            return;
        }
        let started = self.clock.monotonic();
        let publish = Publish {
            name: name.clone(),
            source: source.clone(),
            language,
            methods: Vec::new(),
            description: String::new(),
            expected: Expected::Any,
        };
        let answer = self.pipeline.publish(publish).await;
        let took = in_ms(self.clock.monotonic().saturating_duration_since(started));
        let published = answer.is_ok();
        match answer {
            Ok(_) => output::line(format_args!(
                "{GOOD}published{GOOD:#} {:width$}  {}/invoke/{name}  {DIM}{took}{DIM:#}",
                name.as_str(),
                self.url
            )),
            Err(error) => output::note(refusal(&path, &error)),
        }
        self.seen.insert(name, Seen { file: path, source, published });
    }

    async fn delete(&mut self, name: &FunctionName) {
        match self.pipeline.delete(name).await {
            Ok(_) => {
                self.seen.remove(name);
                output::line(format_args!("{GOOD}deleted{GOOD:#}   {name}"));
            }
            Err(error) => {
                output::note(format_args!("{BAD}{name} cannot be deleted:{BAD:#} {}", operator_text(&error)));
            }
        }
    }
}

/// Why a file was not published. The version before, if there is one, goes on serving.
fn refusal(file: &Path, error: &Error) -> String {
    let file = file.display().to_string();
    match error.location() {
        Some(location) => {
            let place =
                Place { file: &file, line: location.line, column: location.column, frame: &location.frame };
            describe(&place, error.message())
        }
        None => format!("{BAD}{file}{BAD:#} {}", operator_text(error)),
    }
}

fn in_ms(duration: Duration) -> String {
    format!("{:.1} ms", duration.as_secs_f64() * 1e3)
}
