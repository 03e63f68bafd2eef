//! `hutong-server`: the server as a program.

mod certificate;
mod cli;

use std::{future::Future, process::ExitCode};

use clap::Parser;
use hutong_server::Server;
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use cli::{Cli, StartError};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    log_to_stderr(cli.log.clone());
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), StartError> {
    let options = cli.into_options()?;
    let tls = options.tls.clone();
    let stop = stop_signal().map_err(StartError::Signals)?;
    let server = Server::bind(options).await?;
    for address in server.addresses() {
        match &tls {
            Some(_) => tracing::info!("listening on https://{address}/ and http://{address}/"),
            None => tracing::info!("listening on http://{address}/"),
        }
    }
    if let Some(address) = server.metrics_addr() {
        tracing::info!("metrics on http://{address}/metrics");
    }
    if let Some(tls) = &tls {
        certificate::reload_on_hangup(tls.clone()).map_err(StartError::Signals)?;
        certificate::tell(tls);
    }
    stop.await;
    tracing::info!(users = server.users_online(), "stopping");
    server.shutdown().await;
    Ok(())
}

/// Waits for Ctrl-C or, on Unix, SIGTERM. From now on neither ends the program by itself.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl-C. From now on it does not end the program by itself.
#[cfg(windows)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}

fn log_to_stderr(filter: Targets) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    tracing_subscriber::registry().with(lines).with(filter).init();
}
