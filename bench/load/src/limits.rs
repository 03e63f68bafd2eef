//! How many connections one process may have.

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a server or worker needs for itself.
const OWN: u32 = 200;

/// Raises the limit of descriptors of this process, and so of those that it starts, as far as the system lets it, and tells how many
/// connections a process may have.
#[must_use]
pub fn connections_a_process() -> u32 {
    let most = fs::read_to_string("/proc/sys/fs/nr_open").ok().and_then(|text| text.trim().parse::<u64>().ok());
    let before = getrlimit(Resource::Nofile);
    // Raising the hard limit is for the privileged alone, and not always for them; the soft one is everybody's own.
    for limit in [most, before.maximum].into_iter().flatten() {
        let wanted = Rlimit { current: Some(limit), maximum: Some(before.maximum.unwrap_or(limit).max(limit)) };
        if setrlimit(Resource::Nofile, wanted).is_ok() {
            break;
        }
    }
    let now = getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX));
    u32::try_from(now).unwrap_or(u32::MAX).saturating_sub(OWN)
}
