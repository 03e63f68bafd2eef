//! `hutong-load`.

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
    measure::{self, Bench, Found, Part, Plan},
    report,
    server::Programs,
    worker,
};

#[derive(Debug, Parser)]
#[command(name = "hutong-load")]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures our server beside others
    ///
    /// HUTONG_SERVER_BIN, HUTONG_BENCH_NODE (a folder) and HUTONG_BENCH_MATCHBOX say where those are that are to be measured; `cargo
    /// xtask bench server` builds them and sets these.
    Server(Options),
    /// Writes the documentation's part anew, of figures that were measured before
    Report {
        /// What --json or --write has written
        figures: PathBuf,
        /// The folder of the documentation
        docs: PathBuf,
    },
    /// Is clients, as told on the standard input
    #[command(hide = true)]
    Worker,
    /// Is the bare echo server
    #[command(hide = true)]
    Echo {
        /// Where it listens
        address: SocketAddr,
        /// Bytes of each connection's read buffer
        read_buffer: usize,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// A smaller plan, for trying out: about a minute
    #[arg(long)]
    quick: bool,
    /// Only these parts, for working on them; separated by commas
    #[arg(long, value_name = "PARTS", value_delimiter = ',', conflicts_with = "write")]
    only: Vec<Part>,
    /// Writes every figure there, as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Writes tables and figures into this project's documentation
    #[arg(long)]
    write: bool,
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().what {
        What::Server(options) => run(tokio::runtime::Builder::new_current_thread(), server(&options)),
        What::Report { figures, docs } => again(&figures, &docs),
        What::Worker => run(tokio::runtime::Builder::new_current_thread(), worker::work()),
        What::Echo { address, read_buffer } => {
            run(tokio::runtime::Builder::new_multi_thread(), echo_baseline::serve(address, read_buffer))
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("not measured: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn server(options: &Options) -> Result<()> {
    let scratch = env::temp_dir().join(format!("hutong-load-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    let path = |name: &str| env::var_os(name).map(PathBuf::from);
    let programs = Programs {
        own: env::current_exe()?,
        hutong: path("HUTONG_SERVER_BIN"),
        node: path("HUTONG_BENCH_NODE"),
        matchbox: path("HUTONG_BENCH_MATCHBOX"),
        scratch: scratch.clone(),
    };
    let mut plan = if options.quick { Plan::quick() } else { Plan::full() };
    if !options.only.is_empty() {
        plan.parts.clone_from(&options.only);
    }
    let found = measure::run(&Bench::new(programs, plan)).await;
    // What is left there harms nobody.
    fs::remove_dir_all(&scratch).ok();
    println!("{}", report::markdown(&found));
    if let Some(file) = &options.json {
        found.write(file)?;
    }
    if options.write {
        let docs = path("HUTONG_DOCS").context("HUTONG_DOCS does not say where the documentation is")?;
        report::write(&found, &docs)?;
    }
    Ok(())
}

fn again(figures: &Path, docs: &Path) -> Result<()> {
    let found: Found = serde_json::from_str(&fs::read_to_string(figures)?)?;
    report::write(&found, docs)
}

fn run(mut builder: tokio::runtime::Builder, what: impl Future<Output = Result<()>>) -> Result<()> {
    builder.enable_all().build()?.block_on(what)
}
