//! `hutong-bench`: compares the app's resource usage and latency in calls with Chromium's, and the set-up of relayed calls
//! with that of direct ones, on the same machine in the same minutes.
//!
//! An absolute figure says as much about the machine as about the app. So each metric is measured for both in turn,
//! several times. Results are in docs/BENCHMARKS.md; `cargo xtask bench` builds what
//! this needs.

mod call_run;
mod cpu;
mod first_frame;
mod ipc;
mod metrics;
mod native;
mod nice_capability;
mod relayed;
mod video_clock;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "hutong-bench")]
struct Cli {
    #[command(subcommand)]
    command: BenchCommand,
}

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// The app calls Chromium and the app, and Chromium calls Chromium
    Native(native::NativeBenchOptions),
    /// Chromium calls Chromium: directly, through the server's relay, and through coturn
    Relayed(relayed::RelayedBenchOptions),
}

// All measured processes are started from this thread, so they inherit its dropped capability.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Err(error) = nice_capability::drop_sys_nice() {
        eprintln!("benchmark failed: {error}");
        return ExitCode::FAILURE;
    }
    let measured = match Cli::parse().command {
        BenchCommand::Native(options) => native::measure(&options).await,
        BenchCommand::Relayed(options) => relayed::measure(&options).await,
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}
