//! Who may say that it comes first.

use std::io;

use rustix::thread::{CapabilitySet, capabilities, remove_capability_from_bounding_set};

/// Takes the right to a higher priority from all that this thread starts (`CAP_SYS_NICE`, capabilities(7)). No browser of a person's has
/// it; with root's, Chromium puts its threads for picture and sound before everybody else's, and those of the app, which asks for none,
/// wait for it on the same processors.
///
/// # Errors
///
/// When the system does not let go of it.
pub fn forgo() -> io::Result<()> {
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
    fn who_is_started_cannot_come_first() {
        // On a thread of its own, since it is for good.
        let refused = std::thread::spawn(|| {
            forgo()?;
            Command::new("nice").args(["-n", "-5", "nice"]).output()
        });
        let niceness = String::from_utf8(refused.join().unwrap().unwrap().stdout).unwrap();
        let own = rustix::process::getpriority_process(None).unwrap();
        assert_eq!(niceness.trim(), own.to_string());
    }
}
