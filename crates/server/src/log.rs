//! Log output of the program.

use clap::ValueEnum;
use tracing_subscriber::{
    Layer as _,
    filter::{LevelFilter, Targets},
    fmt,
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

/// Format of the log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text: time, level, module, message and fields; in colour on a terminal
    Human,
    /// One JSON object per line with timestamp, level, target, message and fields
    Json,
}

/// Installs a subscriber that logs to stderr.
pub(crate) fn to_stderr(filter: Targets, format: LogFormat) {
    let lines = fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Human => lines.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr())).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // Logs packets that anybody can send, addresses included.
    let filter = filter.with_target("stun_types", LevelFilter::OFF);
    tracing_subscriber::registry().with(lines).with(filter).init();
}
