//! The calls of the last time on this device, newest first. Never sent to a server.

use hutong_core::{CallOutcome, CallRecord};
use serde::{Deserialize, Serialize};

use crate::personal_storage::{self, Entry};

/// Most calls that are kept.
const MAX_CALLS: usize = 50;

/// A call that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PastCall {
    /// The call.
    #[serde(flatten)]
    pub record: CallRecord,
    /// When it was over, in milliseconds since the Unix epoch by this device's clock.
    pub at: f64,
    /// Whether the person has seen that it was missed.
    #[serde(default)]
    pub is_seen: bool,
}

impl PastCall {
    /// Whether the person has still to learn of it.
    pub fn is_unseen_missed(&self) -> bool {
        self.record.is_missed() && !self.is_seen
    }
}

/// Reads the stored calls. Those that this version cannot read are left out.
pub fn load() -> Vec<PastCall> {
    parse(&personal_storage::read(Entry::Calls).unwrap_or_default())
}

/// One call for each line.
fn parse(text: &str) -> Vec<PastCall> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).take(MAX_CALLS).collect()
}

/// Adds a call, and stores all.
pub fn add(calls: &mut Vec<PastCall>, record: CallRecord, at: f64) {
    insert(calls, record, at);
    store(calls);
}

fn insert(calls: &mut Vec<PastCall>, record: CallRecord, at: f64) {
    // After a call with its caller, a missed call is answered.
    if record.outcome == CallOutcome::Answered {
        for call in calls.iter_mut().filter(|call| call.record.with.key() == record.with.key()) {
            call.is_seen = true;
        }
    }
    calls.insert(0, PastCall { record, at, is_seen: false });
    calls.truncate(MAX_CALLS);
}

/// Marks all missed calls as seen, and stores all.
#[allow(clippy::ptr_arg, reason = "as `add` and `clear`, it takes what the component shares")]
pub fn mark_seen(calls: &mut Vec<PastCall>) {
    for call in calls.iter_mut() {
        call.is_seen = true;
    }
    store(calls);
}

/// Removes all calls.
pub fn clear(calls: &mut Vec<PastCall>) {
    calls.clear();
    personal_storage::remove(Entry::Calls);
}

fn store(calls: &[PastCall]) {
    let lines: Vec<String> = calls.iter().filter_map(|call| serde_json::to_string(call).ok()).collect();
    personal_storage::write(Entry::Calls, &lines.join("\n"));
}

#[cfg(test)]
mod tests {
    use hutong_core::CallDirection;
    use hutong_protocol::{MediaKind, Name};

    use super::*;

    fn record(name: &str, outcome: CallOutcome) -> CallRecord {
        let with = Name::new(name).unwrap();
        CallRecord { with, direction: CallDirection::Incoming, media: MediaKind::Video, outcome }
    }

    #[test]
    fn calls_are_bounded_newest_first_and_survive_what_cannot_be_read() {
        let mut calls = Vec::new();
        for index in 0..MAX_CALLS + 5 {
            insert(&mut calls, record("Bo", CallOutcome::Unanswered), index as f64);
        }
        assert_eq!((calls.len(), calls[0].at), (MAX_CALLS, (MAX_CALLS + 4) as f64));
        let lines: Vec<String> = calls.iter().map(|call| serde_json::to_string(call).unwrap()).collect();
        assert_eq!(parse(&lines.join("\n")), calls);
        assert_eq!(parse(&format!("garbage\n{}\n{{\"with\":1}}", lines[0])), calls[..1]);
    }

    #[test]
    fn a_missed_call_is_seen_once_its_caller_was_spoken_to() {
        let mut calls = Vec::new();
        insert(&mut calls, record("Bo", CallOutcome::Unanswered), 1.0);
        insert(&mut calls, record("Cy", CallOutcome::WhileBusy), 2.0);
        insert(&mut calls, record("BO", CallOutcome::Answered), 3.0);
        let unseen: Vec<_> = calls.iter().filter(|call| call.is_unseen_missed()).map(|call| call.at).collect();
        assert_eq!(unseen, [2.0]);
    }
}
