//! Call links in a browser: `#call=NAME` asks for the name, then offers the call, and never starts it by itself.

use hutong_e2e::{
    BrowserOptions, Result, TestPage, TestResult, call_steps::wait_until_connected, ensure, page::UI_TIMEOUT, scenario,
};

const CALLEE: &str = "Ana & 小红 👩\u{200d}💻";

/// Waits for the question of the call link, and returns its text.
async fn wait_for_question(page: &TestPage) -> Result<String> {
    let script = r#"const it = one("call-link"); return it && it.open && it.dataset.step === "asking" && it.innerText"#;
    let text = page.wait_for_value("the question", UI_TIMEOUT, script).await?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

async fn fragment(page: &TestPage) -> Result<String> {
    page.run("return location.hash").await
}

/// Reads the link to call this page's user, by the button for it.
async fn own_link(page: &TestPage) -> Result<String> {
    page.press("copy-own-link").await?;
    page.wait_until("the copied link", UI_TIMEOUT, r#"return one("copy-own-link").innerText.trim() !== ''"#).await?;
    page.run("return await navigator.clipboard.readText()").await
}

#[tokio::test]
async fn a_link_offers_a_call_after_the_login_and_starts_none_by_itself() -> TestResult {
    scenario("page_link", async |env| {
        let server = env.start_server().await?;
        let ana = env.open_page("Ana", &server.url()).await?;
        ana.paste_name(CALLEE).await?;
        ana.wait_for_own_state("online", UI_TIMEOUT).await?;
        ana.allow_clipboard(&server.url()).await?;
        let link = own_link(&ana).await?;
        ensure!(link.starts_with(&server.url()) && link.contains("#call=Ana%20%26%20%E5%B0%8F"), "{link}");

        let bo = env.open_page("Bo", &link).await?;
        let sentence = r#"const it = one("call-link-login"); return it && it.innerText"#;
        bo.wait_until("the sentence before the login", UI_TIMEOUT, sentence).await?;
        ensure!(!fragment(&bo).await?.is_empty(), "a reload would lose the link");
        bo.reload().await?;
        bo.log_in("Bo").await?;
        let question = wait_for_question(&bo).await?;
        ensure!(question.contains(CALLEE), "{question}");
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        ensure!(ana.run::<bool>(r#"return !one("call")"#).await?, "the call has started by itself");

        // Escape dismisses it, also from the address.
        bo.press("call-link-cancel").await?;
        bo.wait_until("the question to close", UI_TIMEOUT, r#"return !one("call-link") && location.hash === ''"#)
            .await?;

        // The same link in the tab that is open.
        bo.open(&link).await?;
        wait_for_question(&bo).await?;
        bo.press("call-link-voice").await?;
        ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
        ensure!(fragment(&bo).await?.is_empty(), "the link stays in the address");
        ana.press("accept-voice").await?;
        wait_until_connected(&bo, &ana).await?;
        bo.press("hang-up").await?;
        bo.wait_until_no_call(UI_TIMEOUT).await?;
        ensure!(bo.run::<bool>(r#"return !one("call-link")"#).await?, "the question came again");
        for page in [&ana, &bo] {
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_offer_waits_for_a_user_who_is_offline_in_both_languages() -> TestResult {
    scenario("page_link_offline", async |env| {
        let server = env.start_server().await?;
        for (language, expected, callee) in [("en-US", "not online", "Ana"), ("zh-CN", "不在线", "小红")] {
            let page = env.new_page("Bo", &BrowserOptions { language, ..BrowserOptions::default() }).await?;
            // The key is for the app, and stays.
            let key = "#key=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU";
            page.open(&format!("{}{key}&call=%3Cb%3E{callee}", server.url())).await?;
            page.log_in(language).await?;
            let waiting = r#"const it = one("call-link-offline"); return it && it.innerText"#;
            let sentence = page.wait_for_value("the sentence", UI_TIMEOUT, waiting).await?;
            ensure!(
                sentence.as_str().is_some_and(|it| it.contains(expected) && it.contains(&format!("<b>{callee}"))),
                "{sentence}"
            );

            let ana = env.open_page("Ana", &server.url()).await?;
            ana.log_in(&format!("<b>{}", callee.to_uppercase())).await?;
            wait_for_question(&page).await?;
            page.press("call-link-call").await?;
            ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
            ensure!(fragment(&page).await? == key, "the key is lost");
            page.press("hang-up").await?;
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_page_that_may_not_copy_shows_the_link_selected() -> TestResult {
    scenario("page_link_copy", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        // As on a page that is not secure.
        ana.inject("Object.defineProperty(navigator, 'clipboard', { value: undefined })").await?;
        ana.press("copy-own-link").await?;
        let selected = r#"const it = one("own-link");
            return it && it === document.activeElement && it.value.slice(it.selectionStart, it.selectionEnd)"#;
        let link = ana.wait_for_value("the selected link", UI_TIMEOUT, selected).await?;
        ensure!(link.as_str().is_some_and(|link| link.ends_with("/#call=Ana")), "{link}");
        // A link to oneself offers nothing.
        ana.open(link.as_str().unwrap_or_default()).await?;
        ana.wait_until("the address without the link", UI_TIMEOUT, "return location.hash === ''").await?;
        ensure!(
            ana.run::<bool>(r#"return !one("call-link") && !one("call-link-offline")"#).await?,
            "a call to oneself"
        );
        ana.ensure_no_errors().await
    })
    .await
}
