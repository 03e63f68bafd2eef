//! Everything with the keyboard alone, as somebody without a mouse or with a screen reader does it.

use hutong_e2e::{
    Outcome, Page, Result, bail, ensure,
    page::SOON,
    scenario,
    steps::{LET_GO, MEDIA},
};
use thirtyfour::Key;

/// What has the focus, and what it is called.
#[derive(Debug, serde::Deserialize)]
struct Focus {
    /// Its data-testid, or its id.
    id: String,
    /// The name of the user whose tile it is on.
    tile: Option<String>,
    /// What a screen reader would call it.
    name: String,
    /// Whether it can be seen that it has the focus, where the person's own Tab can bring it.
    shown: bool,
}

async fn focus(page: &Page) -> Result<Focus> {
    page.run(
        r#"const it = document.activeElement;
        const labels = [...(it.labels || [])].map((label) => label.innerText).join(" ");
        const ringed = (part) => getComputedStyle(part).outlineStyle !== "none";
        return {
            id: it.dataset.testid || it.id || it.tagName,
            tile: it.closest("[data-testid=user]")?.dataset.name ?? null,
            name: (it.getAttribute("aria-label") || labels || it.innerText || it.title || "").trim(),
            shown: it.tabIndex < 0 || [it, ...it.querySelectorAll("*")].some(ringed),
        };"#,
    )
    .await
}

async fn type_keys(page: &Page, keys: impl Into<thirtyfour::TypingData>) -> Result<()> {
    Ok(page.driver().action_chain().send_keys(keys).perform().await?)
}

/// Goes on with Tab to a button, and checks on the way that everything has a name and shows that it has the focus.
async fn tab_to(page: &Page, id: &str, tile: Option<&str>) -> Result<()> {
    const STOPS: usize = 25;
    let mut passed = Vec::new();
    for _ in 0..STOPS {
        let focus = focus(page).await?;
        if focus.id == id && (tile.is_none() || focus.tile.as_deref() == tile) {
            return Ok(());
        }
        if focus.id != "BODY" {
            ensure!(!focus.name.is_empty(), "{}: {focus:?} has no name", page.name());
            ensure!(focus.shown, "{}: {focus:?} does not show that it has the focus", page.name());
        }
        passed.push(focus.id);
        type_keys(page, Key::Tab).await?;
    }
    bail!("{}: {id} is not reached with Tab: {passed:?}", page.name())
}

async fn log_in(page: &Page) -> Result<()> {
    page.until("the focus in the name field", SOON, "return document.activeElement?.id === 'name'").await?;
    type_keys(page, page.name()).await?;
    type_keys(page, Key::Enter).await?;
    page.is("online", SOON).await
}

#[tokio::test]
async fn a_call_is_made_taken_and_ended_by_keyboard_alone() -> Outcome {
    scenario("keyboard", async |world| {
        let server = world.server().await?;
        let ana = world.open("Ana", &server.url()).await?;
        log_in(&ana).await?;
        let bo = world.open("Bo", &server.url()).await?;
        log_in(&bo).await?;
        ana.sees("Bo", "online", SOON).await?;

        tab_to(&ana, "call-video", Some("Bo")).await?;
        type_keys(&ana, Key::Enter).await?;
        bo.phase("incoming", SOON).await?;
        bo.until("the focus in the call", SOON, "return one('call').contains(document.activeElement)").await?;
        type_keys(&bo, Key::Escape).await?;
        bo.phase("incoming", SOON).await?;
        tab_to(&bo, "accept-video", None).await?;
        type_keys(&bo, Key::Space).await?;
        bo.receives(10, MEDIA).await?;
        ana.phase("connected", SOON).await?;

        tab_to(&ana, "mute", None).await?;
        type_keys(&ana, Key::Space).await?;
        ana.until("being muted", SOON, "return one('mute').getAttribute('aria-pressed') === 'true'").await?;
        tab_to(&ana, "hang-up", None).await?;
        type_keys(&ana, Key::Enter).await?;
        for page in [&ana, &bo] {
            page.no_call(LET_GO).await?;
            page.is("online", LET_GO).await?;
        }
        ana.until(
            "the focus back where it was",
            SOON,
            "return document.activeElement?.dataset.testid === 'call-video'",
        )
        .await?;
        Ok(())
    })
    .await
}
