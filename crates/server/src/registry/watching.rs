//! Who is shown whom, where a part of everybody is shown: what each connection watches, and who watches a user.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use hutong_protocol::{NameKey, Query, Token, limits};

use super::conn::ConnId;

/// Users that one connection is shown at most; past it the view is made anew.
pub const SHOWN: usize = 192;

/// What a client wants to be shown.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    pub query: Query,
    pub names: Box<[NameKey]>,
}

/// A connection's [`Wish`], and how far it is with it.
#[derive(Clone, Debug, Default)]
pub struct Wished {
    pub wish: Wish,
    /// When one was last answered.
    pub answered: Option<Duration>,
    /// When this one is to be answered, if it has yet to be.
    pub due: Option<Duration>,
}

/// Why a user is in a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is one of the names.
    Named,
    /// The query finds it.
    Found,
    /// There is no query, and it came lately.
    Recent,
    /// It has, or had, a call with this user.
    Met,
}

/// The views of all connections that are shown a part, and the same by user, name and query: a change costs as much as there are
/// connections that it concerns.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    views: HashMap<ConnId, View>,
    by_user: BTreeSet<(Token, ConnId)>,
    by_name: BTreeSet<(NameKey, ConnId)>,
    by_query: BTreeMap<Query, BTreeSet<ConnId>>,
    /// The least and the most users online that any of them has been told of.
    totals: Option<(u32, u32)>,
}

/// What one connection is shown.
#[derive(Clone, Debug)]
pub struct View {
    pub wish: Wish,
    pub shown: Vec<(Token, Why)>,
    /// How many users online it has been told of.
    pub total: u32,
}

impl Watching {
    /// Whether this connection is shown a part.
    pub fn has(&self, conn: ConnId) -> bool {
        self.views.contains_key(&conn)
    }

    pub fn is_empty(&self) -> bool {
        self.views.is_empty()
    }

    /// From now on this connection is shown this, and whoever comes that it wishes for.
    pub fn open(&mut self, conn: ConnId, view: View) {
        self.close(conn);
        self.by_user.extend(view.shown.iter().map(|(token, _)| (*token, conn)));
        self.by_name.extend(view.wish.names.iter().map(|name| (name.clone(), conn)));
        if !view.wish.query.is_empty() {
            self.by_query.entry(view.wish.query.clone()).or_default().insert(conn);
        }
        self.has_told(view.total);
        self.views.insert(conn, view);
    }

    /// This connection is not shown a part any more.
    pub fn close(&mut self, conn: ConnId) {
        let Some(view) = self.views.remove(&conn) else { return };
        for (token, _) in view.shown {
            self.by_user.remove(&(token, conn));
        }
        for name in view.wish.names {
            self.by_name.remove(&(name, conn));
        }
        if let Some(conns) = self.by_query.get_mut(&view.wish.query) {
            conns.remove(&conn);
            if conns.is_empty() {
                self.by_query.remove(&view.wish.query);
            }
        }
    }

    /// A user came online: whoever wishes for it is shown it.
    pub fn came(&mut self, token: Token, name: &NameKey) {
        let first = (name.clone(), ConnId(0));
        let named: Vec<_> =
            self.by_name.range(first..).take_while(|(key, _)| key == name).map(|(_, conn)| *conn).collect();
        for conn in named {
            self.show(conn, token, Why::Named);
        }
        for conn in self.searching_for(name) {
            if self.views.get(&conn).is_some_and(View::has_room) {
                self.show(conn, token, Why::Found);
            }
        }
    }

    /// A user is offline, and everybody who was shown it is told so.
    pub fn gone(&mut self, token: Token) {
        let watchers: Vec<_> = self.watchers(token).collect();
        for conn in watchers {
            self.by_user.remove(&(token, conn));
            if let Some(view) = self.views.get_mut(&conn) {
                view.shown.retain(|(shown, _)| *shown != token);
            }
        }
    }

    /// Shows a user to a connection that is shown a part. False when there is no room left.
    pub fn show(&mut self, conn: ConnId, token: Token, why: Why) -> bool {
        let Some(view) = self.views.get_mut(&conn) else { return true };
        if view.shown.iter().any(|(shown, _)| *shown == token) {
            return true;
        }
        if view.shown.len() >= SHOWN {
            return false;
        }
        view.shown.push((token, why));
        self.by_user.insert((token, conn));
        true
    }

    /// The connections that are shown a part with this user in it.
    pub fn watchers(&self, token: Token) -> impl Iterator<Item = ConnId> + '_ {
        self.by_user.range((token, ConnId(0))..=(token, ConnId(u64::MAX))).map(|(_, conn)| *conn)
    }

    /// Whom this connection is shown, if it is shown a part.
    pub fn shown(&self, conn: ConnId) -> Option<impl Iterator<Item = Token> + '_> {
        self.views.get(&conn).map(|view| view.shown.iter().map(|(token, _)| *token))
    }

    /// Whether somebody may know of a number of users online that this one is news to.
    pub fn is_total_news(&self, total: u32) -> bool {
        !self.is_empty() && self.totals.is_some_and(|(least, most)| is_news(least, total) || is_news(most, total))
    }

    /// The connections that this number of users online is news to. They know it from now on.
    pub fn notice_total(&mut self, total: u32) -> Vec<ConnId> {
        let mut told = Vec::new();
        self.totals = None;
        for (conn, view) in &mut self.views {
            if is_news(view.total, total) {
                view.total = total;
                told.push(*conn);
            }
            self.totals = Some(within(self.totals, view.total));
        }
        told
    }

    fn has_told(&mut self, total: u32) {
        self.totals = Some(within(self.totals, total));
    }

    /// Whether nothing is kept at all.
    #[cfg(test)]
    pub fn is_idle(&self) -> bool {
        let Self { views, by_user, by_name, by_query, totals: _ } = self;
        views.is_empty() && by_user.is_empty() && by_name.is_empty() && by_query.is_empty()
    }

    /// The connections whose query finds this name. A query finds it exactly if it is how the name goes on from one of its starts,
    /// so all such texts are looked up: a few dozen.
    fn searching_for(&self, name: &NameKey) -> BTreeSet<ConnId> {
        let mut found = BTreeSet::new();
        if self.by_query.is_empty() {
            return found;
        }
        for start in name.starts() {
            let text = &name.as_str()[start..];
            let ends = text.char_indices().map(|(at, c)| at + c.len_utf8());
            for end in ends.take(limits::NAME_CHARS) {
                if let Some(conns) = self.by_query.get(&text[..end]) {
                    found.extend(conns);
                }
            }
        }
        found
    }
}

/// Whether a number of users online differs noticeably from another: by a fiftieth.
const fn is_news(known: u32, total: u32) -> bool {
    known != total && known.abs_diff(total) as u64 * 50 >= known as u64
}

fn within(range: Option<(u32, u32)>, total: u32) -> (u32, u32) {
    range.map_or((total, total), |(least, most)| (least.min(total), most.max(total)))
}

impl View {
    fn has_room(&self) -> bool {
        self.shown.iter().filter(|(_, why)| *why == Why::Found).count() < limits::FOUND
    }
}
