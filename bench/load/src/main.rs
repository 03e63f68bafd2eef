//! `hutong-load`: command line of the signalling server benchmark.

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
    /// Rewrites the measured part of the documentation from earlier results
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

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        LoadCommand::Server(options) => run(tokio::runtime::Builder::new_current_thread(), compare_servers(&options)),
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
    let scratch = env::temp_dir().join(format!("hutong-load-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let path = |name: &str| env::var_os(name).map(PathBuf::from);
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

fn rewrite_report(results: &Path, docs: &Path) -> Result<()> {
    let results: BenchResults = serde_json::from_str(&fs::read_to_string(results)?)?;
    report::write(&results, docs)
}

fn run(mut builder: tokio::runtime::Builder, task: impl Future<Output = Result<()>>) -> Result<()> {
    builder.enable_all().build()?.block_on(task)
}
