//! Keyboard operation: a call without a mouse, as with a screen reader.

use hutong_e2e::{
    Result, TestPage, TestResult, bail,
    call_steps::{MEDIA_TIMEOUT, RELEASE_TIMEOUT},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};
use thirtyfour::Key;

/// The focused element.
#[derive(Debug, serde::Deserialize)]
struct FocusedElement {
    /// Its `data-testid`, or its `id`.
    id: String,
    /// Name of the user whose tile contains it.
    tile: Option<String>,
    /// Accessible name.
    name: String,
    /// Whether its focus is visible, if Tab can reach it.
    is_focus_visible: bool,
}

async fn focused_element(page: &TestPage) -> Result<FocusedElement> {
    page.run(
        r#"const it = document.activeElement;
        const labels = [...(it.labels || [])].map((label) => label.innerText).join(" ");
        const ringed = (part) => getComputedStyle(part).outlineStyle !== "none";
        return {
            id: it.dataset.testid || it.id || it.tagName,
            tile: it.closest("[data-testid=user]")?.dataset.name ?? null,
            name: (it.getAttribute("aria-label") || labels || it.innerText || it.title || "").trim(),
            is_focus_visible: it.tabIndex < 0 || [it, ...it.querySelectorAll("*")].some(ringed),
        };"#,
    )
    .await
}

async fn type_keys(page: &TestPage, keys: impl Into<thirtyfour::TypingData>) -> Result<()> {
    Ok(page.driver()?.action_chain().send_keys(keys).perform().await?)
}

/// Presses Tab until a button has the focus, and checks that every element on the way has a name and a visible focus.
async fn tab_to(page: &TestPage, id: &str, tile: Option<&str>) -> Result<()> {
    const MAX_STOPS: usize = 25;
    let mut passed = Vec::new();
    for _ in 0..MAX_STOPS {
        let focus = focused_element(page).await?;
        if focus.id == id && (tile.is_none() || focus.tile.as_deref() == tile) {
            return Ok(());
        }
        if focus.id != "BODY" {
            ensure!(!focus.name.is_empty(), "{}: {focus:?} has no name", page.name());
            ensure!(focus.is_focus_visible, "{}: {focus:?} has no visible focus", page.name());
        }
        passed.push(focus.id);
        type_keys(page, Key::Tab).await?;
    }
    bail!("{}: {id} cannot be reached with Tab: {passed:?}", page.name())
}

async fn log_in(page: &TestPage) -> Result<()> {
    page.wait_until("the focus in the name field", UI_TIMEOUT, "return document.activeElement?.id === 'name'").await?;
    type_keys(page, page.name()).await?;
    type_keys(page, Key::Enter).await?;
    page.wait_for_own_state("online", UI_TIMEOUT).await
}

#[tokio::test]
async fn a_call_can_be_made_answered_and_ended_by_keyboard_alone() -> TestResult {
    scenario("keyboard", async |env| {
        let server = env.start_server().await?;
        let ana = env.open_page("Ana", &server.url()).await?;
        log_in(&ana).await?;
        let bo = env.open_page("Bo", &server.url()).await?;
        log_in(&bo).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;

        tab_to(&ana, "call-video", Some("Bo")).await?;
        type_keys(&ana, Key::Enter).await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        bo.wait_until("the focus in the call", UI_TIMEOUT, "return one('call').contains(document.activeElement)")
            .await?;
        type_keys(&bo, Key::Escape).await?;
        bo.wait_for_phase("incoming", UI_TIMEOUT).await?;
        tab_to(&bo, "accept-video", None).await?;
        type_keys(&bo, Key::Space).await?;
        bo.wait_for_received(10, MEDIA_TIMEOUT).await?;
        ana.wait_for_phase("connected", UI_TIMEOUT).await?;

        tab_to(&ana, "mute", None).await?;
        type_keys(&ana, Key::Space).await?;
        ana.wait_until("being muted", UI_TIMEOUT, "return one('mute').getAttribute('aria-pressed') === 'true'").await?;
        tab_to(&ana, "hang-up", None).await?;
        type_keys(&ana, Key::Enter).await?;
        for page in [&ana, &bo] {
            page.wait_until_no_call(RELEASE_TIMEOUT).await?;
            page.wait_for_own_state("online", RELEASE_TIMEOUT).await?;
        }
        ana.wait_until(
            "the focus back where it was",
            UI_TIMEOUT,
            "return document.activeElement?.dataset.testid === 'call-video'",
        )
        .await?;
        Ok(())
    })
    .await
}
