//! Filter of a large roster: the part to which the client subscribes on a server that does not show all users.

use hutong_protocol::{ClientMessage, limits};

/// Search text and watched names. Outlasts logouts; sent to each server that shows a part of its roster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RosterFilter {
    query: String,
    names: Vec<String>,
}

impl RosterFilter {
    /// Replaces the filter and returns the `watch` message if the filter changed. There is no debouncing: the server
    /// limits how often it answers, and answers the latest.
    pub fn set(&mut self, query: &str, mut names: Vec<String>) -> Option<ClientMessage> {
        names.truncate(limits::MAX_WATCHED_NAMES);
        let filter = Self { query: query.chars().take(limits::MAX_NAME_CHARS).collect(), names };
        let changed = *self != filter;
        *self = filter;
        changed.then(|| self.message())
    }

    /// The `watch` message for a server that starts to show a part of its roster; `None` if no filter was set.
    pub fn initial_message(&self) -> Option<ClientMessage> {
        (*self != Self::default()).then(|| self.message())
    }

    fn message(&self) -> ClientMessage {
        let Self { query, names } = self.clone();
        ClientMessage::Watch { query, names }
    }
}
