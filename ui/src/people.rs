//! The people that somebody looks for again and again: favourites, and who was in the last calls. Kept by the browser, or by the app's
//! webview.

use crate::dom;

const FAVOURITES: &str = "hutong.favourites";
const MET: &str = "hutong.met";

/// Favourites that are kept; with those met a server is asked for no more than it takes (`limits::WATCHED_NAMES`).
const MOST_FAVOURITES: usize = 48;
/// Those of the last calls.
const MOST_MET: usize = 16;

/// The favourites, the newest first.
pub fn favourites() -> Vec<String> {
    read(FAVOURITES)
}

/// Those of the last calls, the newest first.
pub fn met() -> Vec<String> {
    read(MET)
}

/// Makes somebody a favourite, or no more; gives all that are now.
pub fn toggle(name: &str) -> Vec<String> {
    let mut names = favourites();
    let before = names.len();
    names.retain(|it| it != name);
    if names.len() == before {
        names.insert(0, name.to_owned());
        names.truncate(MOST_FAVOURITES);
    }
    write(FAVOURITES, &names);
    names
}

/// There is a call with this person.
pub fn meet(name: &str) {
    let mut names = met();
    if names.first().is_some_and(|newest| newest == name) {
        return;
    }
    names.retain(|it| it != name);
    names.insert(0, name.to_owned());
    names.truncate(MOST_MET);
    write(MET, &names);
}

/// Names have no line breaks in them.
fn read(key: &str) -> Vec<String> {
    let kept = dom::local_storage().and_then(|storage| storage.get_item(key).ok().flatten()).unwrap_or_default();
    kept.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn write(key: &str, names: &[String]) {
    if let Some(storage) = dom::local_storage() {
        // A browser that keeps nothing forgets them with the page.
        drop(storage.set_item(key, &names.join("\n")));
    }
}
