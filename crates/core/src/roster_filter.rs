//! Servers with too many users to show everybody: which part of the roster this client subscribes to.

use hutong_protocol::{ClientMessage, limits};

/// The part of a large roster that the person wants to see. Kept over logouts, and sent to each server that shows a part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RosterFilter {
    query: String,
    names: Vec<String>,
}

impl RosterFilter {
    /// Replaces the filter. Gives what to send to a server that shows a part, unless nothing changed. Each letter typed is sent at
    /// once: the server answers as often as it likes, with the newest.
    pub fn set(&mut self, query: &str, mut names: Vec<String>) -> Option<ClientMessage> {
        names.truncate(limits::WATCHED_NAMES);
        let filter = Self { query: query.chars().take(limits::NAME_CHARS).collect(), names };
        let changed = *self != filter;
        *self = filter;
        changed.then(|| self.message())
    }

    /// Gives what to send to a server that begins to show a part: nothing where no filter was set.
    pub fn begin(&self) -> Option<ClientMessage> {
        (*self != Self::default()).then(|| self.message())
    }

    fn message(&self) -> ClientMessage {
        let Self { query, names } = self.clone();
        ClientMessage::Watch { query, names }
    }
}
