//! What the browser keeps of the person: name, session, favourites, recent people and calls. On this device until the person logs out or
//! forgets the device, or in this tab alone.
//!
//! Keys contain the folder of the page, so that servers in different folders of one origin share nothing.

use web_sys::Storage;

use crate::{dom, page_origin::PageOrigin};

/// `sessionStorage` key of the ID of a tab that keeps the person's data for itself.
const TAB_KEY: &str = "hutong.tab";

/// Where the person's data are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In `localStorage`, for all tabs.
    Device,
    /// In `sessionStorage`, for the tab with this ID. A duplicated tab has the same ID.
    Tab(String),
}

impl Scope {
    /// The scope of this tab.
    pub fn current() -> Self {
        let id = dom::session_storage().and_then(|storage| storage.get_item(&key(TAB_KEY)).ok().flatten());
        id.map_or(Self::Device, Self::Tab)
    }

    /// Keeps the person's data in this tab alone from now on, and begins without any.
    pub fn begin_tab() -> Self {
        let Some(storage) = dom::session_storage() else { return Self::Device };
        for entry in Entry::ALL {
            storage.remove_item(&entry.key()).ok();
        }
        let id = format!("{:016x}", (js_sys::Math::random() * 9_007_199_254_740_992.0) as u64);
        match storage.set_item(&key(TAB_KEY), &id) {
            Ok(()) => Self::Tab(id),
            Err(_) => Self::Device,
        }
    }

    /// Keeps the person's data on this device from now on.
    pub fn begin_device() -> Self {
        if let Some(storage) = dom::session_storage() {
            storage.remove_item(&key(TAB_KEY)).ok();
        }
        Self::Device
    }

    /// The name of the lock and the channel of all tabs that share this scope.
    pub fn channel_name(&self) -> String {
        match self {
            Self::Device => key("hutong"),
            Self::Tab(id) => key(&format!("hutong.tab.{id}")),
        }
    }

    fn storage(&self) -> Option<Storage> {
        match self {
            Self::Device => dom::local_storage(),
            Self::Tab(_) => dom::session_storage(),
        }
    }
}

/// One of the person's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// The session, with its ticket. Until logout.
    Session,
    /// The name of the last login.
    Name,
    /// Favourites.
    Favourites,
    /// The people of the last calls.
    Recent,
    /// The last calls.
    Calls,
}

impl Entry {
    const ALL: [Self; 5] = [Self::Session, Self::Name, Self::Favourites, Self::Recent, Self::Calls];

    fn key(self) -> String {
        key(match self {
            Self::Session => "hutong.session",
            Self::Name => "hutong.name",
            Self::Favourites => "hutong.favourites",
            Self::Recent => "hutong.met",
            Self::Calls => "hutong.calls",
        })
    }
}

/// Reads an entry.
pub fn read(entry: Entry) -> Option<String> {
    Scope::current().storage()?.get_item(&entry.key()).ok()?
}

/// Writes an entry. Without effect where storage is full or forbidden.
pub fn write(entry: Entry, text: &str) {
    if let Some(storage) = Scope::current().storage() {
        storage.set_item(&entry.key(), text).ok();
    }
}

/// Removes an entry.
pub fn remove(entry: Entry) {
    if let Some(storage) = Scope::current().storage() {
        storage.remove_item(&entry.key()).ok();
    }
}

/// Removes everything that the browser keeps of the person, on this device and in this tab.
pub fn forget_device() {
    for storage in [dom::local_storage(), dom::session_storage()].into_iter().flatten() {
        for entry in Entry::ALL {
            storage.remove_item(&entry.key()).ok();
        }
    }
}

fn key(name: &str) -> String {
    key_in(name, PageOrigin::current().folder())
}

/// The key of a page in this folder. At the root, it is the plain name.
fn key_in(name: &str, folder: &str) -> String {
    if folder == "/" { name.to_owned() } else { format!("{name}@{folder}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_in_different_folders_share_no_key() {
        let keys = ["/", "/a/", "/a/b/", ""].map(|folder| key_in("hutong.name", folder));
        assert_eq!(keys, ["hutong.name", "hutong.name@/a/", "hutong.name@/a/b/", "hutong.name@"]);
    }
}
