//! `hutong-server`: the server as a program.

mod certificate;
mod cli;
mod log;
mod signals;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::Parser;
use futures_util::FutureExt;
use hutong_server::{Server, TicketKey};

use cli::{Cli, RunError, Task, hash_password};
use signals::{Signal, Signals};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Task::HashPassword { name }) = &cli.task {
        return match hash_password(name) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("{error}");
                ExitCode::FAILURE
            }
        };
    }
    log::to_stderr(cli.log.clone(), cli.log_format);
    match run(cli).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), RunError> {
    let drain = Duration::from_secs(cli.drain_seconds);
    let ticket_key_file = cli.ticket_key_file_in_use().map(Path::to_owned);
    let options = cli.into_options()?;
    let tls = options.tls.clone();
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let server = Server::bind(options).await?;
    for address in server.addresses() {
        match &tls {
            Some(_) => tracing::info!("listening on https://{address}/ and http://{address}/"),
            None => tracing::info!("listening on http://{address}/"),
        }
    }
    if let Some(address) = server.metrics_addr() {
        tracing::info!("metrics at http://{address}/metrics");
    }
    if let Some(tls) = &tls {
        certificate::tell(tls);
    }
    let outcome = loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            failure = server.failed() => break Err(failure.into()),
        };
        match signal {
            Signal::Reload => {
                reload(&server, ticket_key_file.as_deref());
                if let Some(tls) = &tls {
                    certificate::reload(tls).await;
                }
            }
            Signal::Drain => {
                tokio::select! {
                    () = server.drain(drain) => break Ok(()),
                    () = signals.stop() => break Ok(()),
                    failure = server.failed() => break Err(failure.into()),
                }
            }
            Signal::Stop => {
                tracing::info!(users = server.users_online(), "stopping");
                break Ok(());
            }
        }
    };
    let failed = server.failed();
    tokio::select! {
        () = server.shutdown() => {}
        () = signals.stop() => {}
    }
    // A task that panics while the last connections close has failed too.
    outcome.and_then(|()| failed.now_or_never().map_or(Ok(()), |failure| Err(failure.into())))
}

/// Reads again what may change while the server runs.
fn reload(server: &Server, ticket_key_file: Option<&Path>) {
    let Some(path) = ticket_key_file else { return };
    match TicketKey::from_file(path) {
        Ok(key) => {
            server.set_ticket_key(&key);
            tracing::info!(former = key.former(), "the ticket key is read again");
        }
        Err(error) => tracing::error!("the ticket key stays as it was: {error}"),
    }
}
