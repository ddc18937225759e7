use super::args::ServeArgs;
use super::failure::Failure;
use super::output::{self, DIM, GOOD, STRONG};
use super::running::{self, Running};
use super::signals;

/// `tandem serve`
pub(super) fn run(args: &ServeArgs) -> Result<(), Failure> {
    let (config, registry) = running::configure(&args.settings, args.listen)?;
    running::block_on(async {
        let stop = signals::stop();
        let running = Running::open(config, &registry).await?;
        let config = &running.config;
        if running.token.made {
            output::line(format_args!(
                "{STRONG}token{STRONG:#} {} {DIM}(made for this run; set server.token to keep one){DIM:#}",
                running.token.secret.expose()
            ));
        }
        output::line(format_args!(
            "{GOOD}ready{GOOD:#} {STRONG}{}{STRONG:#} {DIM}engine {}, functions {}, documents {}, storage {}{DIM:#}",
            running.url(),
            config.engine.selected.name,
            config.functions.selected.name,
            config.documents.selected.name,
            config.storage.selected.name,
        ));
        Ok(running.app.serve(running.listener, stop).await?)
    })
}
