//! Descriptor limit of a process, which bounds its connections.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a server or worker needs besides its connections.
const RESERVED_DESCRIPTORS: u32 = 200;

/// Raises the descriptor limit of this process and its children as far as the system permits, and returns how many
/// connections a process can hold.
#[must_use]
pub fn max_connections_per_process() -> u32 {
    let most = fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse::<u64>().ok());
    let before = getrlimit(Resource::Nofile);
    // Raising the hard limit needs a privilege, which containers may lack; raising the soft limit up to it does not.
    for limit in [most, before.maximum].into_iter().flatten() {
        let wanted = Rlimit { current: Some(limit), maximum: Some(before.maximum.unwrap_or(limit).max(limit)) };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            break;
        }
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX));
    u32::try_from(now).unwrap_or(u32::MAX).saturating_sub(RESERVED_DESCRIPTORS)
}
