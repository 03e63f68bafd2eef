//! `hutong-load`: command line of the server benchmarks.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use hutong_load::{
    echo_baseline,
    measure::{self, BenchPlan, BenchResults, Experiment, MeasureContext},
    relay::{self, RelayPlan, RelayResults, TurnPrograms},
    report,
    server::ServerPrograms,
    worker,
};

#[derive(Debug, Parser)]
#[command(name = "hutong-load")]
struct Cli {
    #[command(subcommand)]
    command: LoadCommand,
}

#[derive(Debug, Subcommand)]
enum LoadCommand {
    /// Compares Hutong's server with others
    ///
    /// The variables `HUTONG_SERVER_BIN`, `HUTONG_BENCH_NODE` (a folder) and `HUTONG_BENCH_MATCHBOX` set the programs under
    /// test; `cargo xtask bench server` builds them and sets these.
    Server(ServerBenchOptions),
    /// Compares Hutong's relay with coturn
    ///
    /// The variable `HUTONG_SERVER_BIN` sets the program under test; `cargo xtask bench relay` builds it and sets this.
    Relay(RelayBenchOptions),
    /// Rewrites a measured part of the documentation from earlier results, of the signalling servers or of the relays
    Report {
        /// File written by --json or --write
        results: PathBuf,
        /// Folder of the documentation
        docs: PathBuf,
    },
    /// Runs clients as commanded on the standard input
    #[command(hide = true)]
    Worker,
    /// Runs the echo baseline server
    #[command(hide = true)]
    Echo {
        /// Address to listen on
        address: SocketAddr,
        /// Read buffer of each connection in bytes
        read_buffer: usize,
    },
}

#[derive(Debug, Args)]
struct ServerBenchOptions {
    /// A smaller plan for trials: about a minute
    #[arg(long)]
    quick: bool,
    /// Only these experiments; separated by commas
    #[arg(long, value_name = "EXPERIMENTS", value_delimiter = ',', conflicts_with = "write")]
    only: Vec<Experiment>,
    /// Write all results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write tables and results into this project's documentation
    #[arg(long)]
    write: bool,
}

#[derive(Debug, Args)]
struct RelayBenchOptions {
    /// A smaller plan for trials: half a minute
    #[arg(long)]
    quick: bool,
    /// Write all results to this file, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write tables and results into this project's documentation
    #[arg(long)]
    write: bool,
}

/// Results of one of the benchmarks, as read from a file.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum AnyResults {
    Servers(BenchResults),
    Relays(RelayResults),
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        LoadCommand::Server(options) => run(tokio::runtime::Builder::new_current_thread(), compare_servers(&options)),
        LoadCommand::Relay(options) => run(tokio::runtime::Builder::new_current_thread(), compare_relays(&options)),
        LoadCommand::Report { results, docs } => rewrite_report(&results, &docs),
        LoadCommand::Worker => run(tokio::runtime::Builder::new_current_thread(), worker::run()),
        LoadCommand::Echo { address, read_buffer } => {
            run(tokio::runtime::Builder::new_multi_thread(), echo_baseline::serve(address, read_buffer))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("benchmark failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn compare_servers(options: &ServerBenchOptions) -> Result<()> {
    let scratch = create_scratch()?;
    let programs = ServerPrograms {
        own: env::current_exe()?,
        hutong: path("HUTONG_SERVER_BIN"),
        node: path("HUTONG_BENCH_NODE"),
        matchbox: path("HUTONG_BENCH_MATCHBOX"),
        scratch: scratch.clone(),
    };
    let mut plan = if options.quick { BenchPlan::quick() } else { BenchPlan::full() };
    if !options.only.is_empty() {
        plan.experiments.clone_from(&options.only);
    }
    let results = measure::run(&MeasureContext::new(programs, plan)).await;
    // Best effort: leftover files are harmless.
    fs::remove_dir_all(&scratch).ok();
    println!("{}", report::markdown(&results));
    if let Some(file) = &options.json {
        results.write(file)?;
    }
    if options.write {
        let docs = path("HUTONG_DOCS").context("HUTONG_DOCS must be set to the folder of the documentation")?;
        report::write(&results, &docs)?;
    }
    Ok(())
}

async fn compare_relays(options: &RelayBenchOptions) -> Result<()> {
    let scratch = create_scratch()?;
    let programs = TurnPrograms {
        hutong: path("HUTONG_SERVER_BIN").context("HUTONG_SERVER_BIN must be set to the server's program")?,
        coturn: "turnserver".into(),
        scratch: scratch.clone(),
    };
    let plan = if options.quick { RelayPlan::quick() } else { RelayPlan::full() };
    let results = relay::run(&programs, &plan).await;
    // Best effort: leftover files are harmless.
    fs::remove_dir_all(&scratch).ok();
    println!("{}", report::relay::markdown(&results));
    if let Some(file) = &options.json {
        results.write(file)?;
    }
    if options.write {
        let docs = path("HUTONG_DOCS").context("HUTONG_DOCS must be set to the folder of the documentation")?;
        report::relay::write(&results, &docs)?;
    }
    Ok(())
}

fn create_scratch() -> Result<PathBuf> {
    let scratch = env::temp_dir().join(format!("hutong-load-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    Ok(scratch)
}

fn path(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).map(PathBuf::from)
}

fn rewrite_report(results: &Path, docs: &Path) -> Result<()> {
    match serde_json::from_str(&fs::read_to_string(results)?)? {
        AnyResults::Servers(results) => report::write(&results, docs),
        AnyResults::Relays(results) => report::relay::write(&results, docs),
    }
}

fn run(mut builder: tokio::runtime::Builder, task: impl Future<Output = Result<()>>) -> Result<()> {
    builder.enable_all().build()?.block_on(task)
}
