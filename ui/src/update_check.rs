//! Whether the server has a newer version of this page.

use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Element, Response};

use crate::{dom, page_origin::PageOrigin};

/// Requests the page, and compares its program with the one that runs. `false` also if the server does not answer.
pub async fn is_outdated() -> bool {
    let Some(running) = running_script() else { return false };
    match request(&PageOrigin::current().page_url()).await {
        Some(page) => is_other_version(&page, &running),
        None => false,
    }
}

/// Whether this is another version of the page than the one with this script, whose name contains a hash of the program.
fn is_other_version(page: &str, script: &str) -> bool {
    // Not a page of this program: that of a proxy in front of a stopped server.
    page.contains("name=\"hutong-") && !page.contains(script)
}

/// The file name of the script that runs this page.
fn running_script() -> Option<String> {
    let script: Element = dom::window()?.document()?.query_selector("script[type=module]").ok()??;
    let url = script.get_attribute("src")?;
    Some(url.rsplit('/').next()?.to_owned()).filter(|name| !name.is_empty())
}

async fn request(url: &str) -> Option<String> {
    let options = js_sys::Object::new();
    js_sys::Reflect::set(&options, &"cache".into(), &"no-store".into()).ok()?;
    let window: JsValue = dom::window()?.into();
    let fetch: js_sys::Function = dom::property(&window, "fetch")?.dyn_into().ok()?;
    let response = fetch.call2(&window, &url.into(), &options).ok()?.dyn_into::<js_sys::Promise>().ok()?;
    let response: Response = JsFuture::from(response).await.ok()?.dyn_into().ok()?;
    if !response.ok() {
        return None;
    }
    JsFuture::from(response.text().ok()?).await.ok()?.as_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_another_script_is_another_version() {
        let page = |hash| format!("<meta name=\"hutong-timer-worker\"><script src=\"hutong-ui-{hash}.js\"></script>");
        assert!(!is_other_version(&page("1"), "hutong-ui-1.js"));
        assert!(is_other_version(&page("2"), "hutong-ui-1.js"));
        assert!(!is_other_version("<h1>502 Bad Gateway</h1>", "hutong-ui-1.js"));
    }
}
