use tokio::signal::unix::{Signal, SignalKind, signal};

/// Begins to receive signals. The future resolves at the first Ctrl-C or SIGTERM; a second one
/// ends the process at once, because whoever asks twice does not want to wait.
pub(super) fn stop() -> impl Future<Output = ()> + use<> {
    // Received from now on, not from the first poll: a supervisor may be quick.
    let signals = [signal(SignalKind::interrupt()), signal(SignalKind::terminate())];
    async move {
        let [Ok(mut interrupt), Ok(mut terminate)] = signals else {
            tracing::warn!("signals cannot be received: the process stops only when it is killed");
            return std::future::pending().await;
        };
        either(&mut interrupt, &mut terminate).await;
        tokio::spawn(async move {
            either(&mut interrupt, &mut terminate).await;
            // What a shell reports for a process ended by SIGINT.
            std::process::exit(130);
        });
    }
}

async fn either(one: &mut Signal, other: &mut Signal) {
    tokio::select! {
        _ = one.recv() => {}
        _ = other.recv() => {}
    }
}
