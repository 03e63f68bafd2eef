//! Measures what the app costs beside what a browser costs, on the same machine and in the same minutes.
//!
//! A bare time or share of a processor says something of the machine that it was measured on, and of what else ran there. So each
//! figure is taken of both in turn, several times, and given with its relation to the browser's. docs/BENCHMARKS.md tells what was
//! found; `cargo xtask bench` builds what this needs.

mod binary;
mod clock;
mod figures;
mod load;
mod native;
mod priorities;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "hutong-bench")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// The app calls Chromium and the app, and Chromium calls Chromium
    Native(native::Options),
}

// One thread starts all that is measured, and what it may not, they may not.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    if let Err(error) = priorities::forgo() {
        eprintln!("not measured: {error}");
        return ExitCode::FAILURE;
    }
    let What::Native(options) = Cli::parse().what;
    match native::measure(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not measured: {error:#}");
            ExitCode::FAILURE
        }
    }
}
