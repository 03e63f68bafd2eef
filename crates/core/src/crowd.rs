//! Servers with too many users to show everybody: which part is to be shown.

use hutong_protocol::{ClientMessage, User, limits};

use crate::{client::Client, view::Update};

/// Whom the person wants to see, as the interface says it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Wish {
    query: String,
    names: Vec<String>,
}

impl Client {
    /// A roster came, of everybody or of a part.
    pub(crate) fn roster(&mut self, users: Vec<User>, total: Option<u32>) {
        let begins = self.view.total.is_none() && total.is_some();
        self.show(Update::Roster(users));
        self.total(total);
        if begins && self.wish != Wish::default() {
            self.say_wish();
        }
    }

    pub(crate) fn total(&mut self, total: Option<u32>) {
        if self.view.total != total {
            self.show(Update::Total(total));
        }
    }

    /// Each letter is said at once: the server answers as often as it likes, and with the newest.
    pub(crate) fn look(&mut self, query: String, mut names: Vec<String>) {
        names.truncate(limits::WATCHED_NAMES);
        let wish = Wish { query: query.chars().take(limits::NAME_CHARS).collect(), names };
        if self.wish != wish {
            self.wish = wish;
            if self.view.total.is_some() {
                self.say_wish();
            }
        }
    }

    fn say_wish(&mut self) {
        let Wish { query, names } = self.wish.clone();
        self.send(ClientMessage::Watch { query, names });
    }
}
