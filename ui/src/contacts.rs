//! The person's contacts by name: favourites, and the people of the last calls. Stored in `localStorage`.

use crate::dom;

const FAVOURITES_KEY: &str = "hutong.favourites";
const RECENT_KEY: &str = "hutong.met";

/// Most favourites. With [`MAX_RECENT`] they fit into one roster subscription (`limits::MAX_WATCHED_NAMES`).
const MAX_FAVOURITES: usize = 48;
/// Most recent people.
const MAX_RECENT: usize = 16;

/// The favourites, newest first.
pub fn favourites() -> Vec<String> {
    read(FAVOURITES_KEY)
}

/// The people of the last calls, newest first.
pub fn recent() -> Vec<String> {
    read(RECENT_KEY)
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
    write(FAVOURITES_KEY, &names);
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
    write(RECENT_KEY, &names);
}

/// Reads one name per line: names contain no line breaks.
fn read(key: &str) -> Vec<String> {
    let text = dom::local_storage().and_then(|storage| storage.get_item(key).ok().flatten()).unwrap_or_default();
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn write(key: &str, names: &[String]) {
    if let Some(storage) = dom::local_storage() {
        // Fails where storage is full or forbidden.
        drop(storage.set_item(key, &names.join("\n")));
    }
}
