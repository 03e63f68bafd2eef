//! Drops the capability to raise process priority.

use std::io;

use rustix::thread::{CapabilitySet, capabilities, remove_capability_from_bounding_set};

/// Removes `CAP_SYS_NICE` (capabilities(7)) from the bounding set of this thread and so from all processes that it
/// starts. No user's browser has it. With it, as root, Chromium raises the priority of its media threads, and the app,
/// which does not ask for it, waits for them on the same CPUs.
///
/// # Errors
///
/// Returns an error when the system refuses.
pub fn drop_sys_nice() -> io::Result<()> {
    if capabilities(None)?.permitted.contains(CapabilitySet::SYS_NICE) {
        remove_capability_from_bounding_set(CapabilitySet::SYS_NICE)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn started_processes_cannot_raise_their_priority() {
        // On a new thread, because dropping is irreversible.
        let refused = std::thread::spawn(|| {
            drop_sys_nice()?;
            Command::new("nice").args(["-n", "-5", "nice"]).output()
        });
        let niceness = String::from_utf8(refused.join().unwrap().unwrap().stdout).unwrap();
        let own = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(niceness.trim(), own.to_string());
    }
}
