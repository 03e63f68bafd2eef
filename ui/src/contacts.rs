//! The person's contacts by name: favourites, and the people of the last calls. Kept in [`personal_storage`].

use crate::personal_storage::{self, Entry};

/// Most favourites. With [`MAX_RECENT`] they fit into one roster subscription (`limits::MAX_WATCHED_NAMES`).
const MAX_FAVOURITES: usize = 48;
/// Most recent people.
const MAX_RECENT: usize = 16;

/// The favourites, newest first.
pub fn favourites() -> Vec<String> {
    read(Entry::Favourites)
}

/// The people of the last calls, newest first.
pub fn recent() -> Vec<String> {
    read(Entry::Recent)
}

/// Adds a favourite or removes it, and returns all favourites.
pub fn toggle_favourite(name: &str) -> Vec<String> {
    let mut names = favourites();
    let before = names.len();
    names.retain(|it| it != name);
    if names.len() == before {
        names.insert(0, name.to_owned());
        names.truncate(MAX_FAVOURITES);
    }
    write(Entry::Favourites, &names);
    names
}

/// Records a call with this person.
pub fn record_call(name: &str) {
    let mut names = recent();
    if names.first().is_some_and(|newest| newest == name) {
        return;
    }
    names.retain(|it| it != name);
    names.insert(0, name.to_owned());
    names.truncate(MAX_RECENT);
    write(Entry::Recent, &names);
}

/// Reads one name per line: names contain no line breaks.
fn read(entry: Entry) -> Vec<String> {
    let text = personal_storage::read(entry).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn write(entry: Entry, names: &[String]) {
    personal_storage::write(entry, &names.join("\n"));
}
