//! Limit of the program's open file descriptors, of which each connection takes one.

#[cfg(unix)]
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors beside those of connections: listening sockets, the runtime, files, and spare ones.
#[cfg(unix)]
const OTHER_DESCRIPTORS: u64 = 64;

/// Limit where the hard one is unlimited: the highest that the systems accept (macOS `OPEN_MAX`; Linux `fs.nr_open`).
#[cfg(unix)]
const HIGHEST: u64 = if cfg!(target_os = "macos") { 10_240 } else { 1 << 20 };

/// Raises the soft limit to the hard one, and warns if that is too low for this many connections. Shells and service managers set
/// low soft limits for the sake of programs that use `select`.
#[cfg(unix)]
pub(crate) fn raise(connections: usize) {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(HIGHEST);
    let current = current.unwrap_or(u64::MAX);
    let limit = if current >= wanted {
        current
    } else {
        match setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum }) {
            Ok(()) => {
                tracing::debug!(from = current, to = wanted, "limit of open files raised");
                wanted
            }
            Err(error) => {
                tracing::warn!(%error, limit = current, "cannot raise the limit of open files; it stays");
                current
            }
        }
    };
    let needed = (connections as u64).saturating_add(OTHER_DESCRIPTORS);
    if limit < needed {
        tracing::warn!(
            limit,
            needed,
            "limit of open files is lower than --max-users needs; connections beyond it are refused; raise the hard limit (ulimit \
             -Hn, LimitNOFILE= in systemd, --ulimit in Docker)"
        );
    }
}

/// Does nothing: the system has no such limit.
#[cfg(not(unix))]
pub(crate) fn raise(_connections: usize) {}
