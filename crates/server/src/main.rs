//! The program `hutong-server`: command line, signals, and the server.

mod certificate;
mod cli;
mod descriptor_limit;
mod log;
mod signals;

use std::{path::Path, process::ExitCode, time::Duration};

use clap::Parser;
use futures_util::FutureExt;
use hutong_server::{Server, TicketKey};

use cli::{Cli, CliCommand, RunError, hash_password};
use signals::{Signal, Signals};

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(CliCommand::HashPassword { name }) = &cli.command {
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
            tracing::error!(%error, "server cannot run; exiting");
            ExitCode::FAILURE
        }
    }
}

async fn run(cli: Cli) -> Result<(), RunError> {
    let drain = Duration::from_secs(cli.drain_seconds);
    let ticket_key_file = cli.ticket_key_file_in_use().map(Path::to_owned);
    let options = cli.into_options()?;
    descriptor_limit::raise(options.connection_limit());
    let tls = options.tls.clone();
    let mut signals = Signals::listen().map_err(RunError::Signals)?;
    let server = Server::bind(options).await?;
    for address in server.addresses() {
        match &tls {
            Some(_) => tracing::info!("listening on https://{address}/ and http://{address}/"),
            None => tracing::info!("listening on http://{address}/"),
        }
    }
    for address in server.turn_addresses() {
        tracing::info!("TURN at {address} (UDP and TCP)");
    }
    if let Some(address) = server.metrics_addr() {
        tracing::info!("metrics at http://{address}/metrics");
    }
    if let Some(tls) = &tls {
        certificate::log_certificate(tls);
    }
    let result = loop {
        let signal = tokio::select! {
            signal = signals.next() => signal,
            failure = server.failed() => break Err(failure.into()),
        };
        match signal {
            Signal::Reload => {
                reload_ticket_key(&server, ticket_key_file.as_deref());
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
                tracing::info!(
                    users = server.users_online(),
                    "stop signal received; closing all connections immediately"
                );
                break Ok(());
            }
        }
    };
    let failed = server.failed();
    tokio::select! {
        () = server.shutdown() => {}
        () = signals.stop() => {}
    }
    // A task may also panic while the last connections close.
    result.and_then(|()| failed.now_or_never().map_or(Ok(()), |failure| Err(failure.into())))
}

/// Reloads the ticket key, if it comes from a file.
fn reload_ticket_key(server: &Server, ticket_key_file: Option<&Path>) {
    let Some(path) = ticket_key_file else { return };
    match TicketKey::from_file(path) {
        Ok(key) => {
            server.set_ticket_key(&key);
            tracing::info!(
                former_keys = key.former_count(),
                "ticket key reloaded; the first key in the file signs new tickets, tickets of the other keys stay valid"
            );
        }
        Err(error) => tracing::error!(%error, "ticket key reload failed; the previous key stays in use"),
    }
}
