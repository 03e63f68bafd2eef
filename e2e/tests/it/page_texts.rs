//! Texts on the page: names, error messages, languages, connection notices.

use std::time::Duration;

use hutong_e2e::{
    BrowserOptions, Result, TestPage, TestResult,
    call_steps::{CallKind, ring},
    ensure,
    page::UI_TIMEOUT,
    scenario,
};

/// Time limit to reconnect, pauses between the attempts included.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(20);

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// Waits for the login error with this code and returns its text.
async fn wait_for_login_error(page: &TestPage, code: &str) -> Result<String> {
    let script =
        format!(r#"const it = one("login-problem"); return it && it.dataset.code === "{code}" && it.innerText.trim()"#);
    let sentence = page.wait_for_value(&format!("the login error {code}"), UI_TIMEOUT, &script).await?;
    Ok(sentence.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn html_in_a_name_is_shown_as_text() -> TestResult {
    scenario("html_name", async |env| {
        const NAME: &str = r#"<img src=x onerror="window.hacked=1">"#;
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.open_page("Bo", &server.url()).await?;
        bo.log_in(NAME).await?;
        ana.wait_for_user_state(NAME, "online", UI_TIMEOUT).await?;
        ana.wait_until("the name as text", UI_TIMEOUT, &format!("return user('{NAME}').innerText.includes('{NAME}')"))
            .await?;

        bo.press_on_tile("Ana", CallKind::Video.call_button()).await?;
        ana.wait_for_phase("incoming", UI_TIMEOUT).await?;
        ana.wait_until("the name as text", UI_TIMEOUT, &format!("return one('call').innerText.includes('{NAME}')"))
            .await?;
        bo.press("hang-up").await?;
        ana.press_on_tile(NAME, CallKind::Voice.call_button()).await?;
        bo.press("decline").await?;
        let sentence = ana.wait_for_notice("declined", UI_TIMEOUT).await?;
        ensure!(sentence.contains(NAME), "{sentence}");
        for page in [&ana, &bo] {
            let harmless: bool = page.run("return !document.querySelector('img[src=x]') && !window.hacked").await?;
            ensure!(harmless, "{}: the name was parsed as markup", page.name());
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

/// A name with an emoji sequence, one with the joiner of Persian, and one with that of Hindi.
const JOINED_NAMES: [(&str, &str); 3] =
    [("👩\u{200d}💻", "👩\u{200d}💻"), ("می\u{200c}خواهم", "م"), ("क्\u{200d}ष", "क्\u{200d}ष")];

#[tokio::test]
async fn names_with_joiners_are_shown_whole_and_belong_to_one_user() -> TestResult {
    scenario("joined_names", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        for (name, initials) in JOINED_NAMES {
            let bo = env.open_page("Bo", &server.url()).await?;
            // WebDriver types one character at a time, which splits an emoji in some versions: paste it.
            bo.paste_name(name).await?;
            bo.wait_for_own_state("online", UI_TIMEOUT).await?;
            ana.wait_for_user_state(name, "online", UI_TIMEOUT).await?;
            let avatar: String =
                ana.run(&format!("return user('{name}').querySelector('.avatar').textContent")).await?;
            ensure!(avatar == initials, "{name}: {avatar:?}");
            // Without the invisible characters it is the same name.
            let plain: String = name.chars().filter(|c| !matches!(c, '\u{200c}' | '\u{200d}')).collect();
            let cy = env.open_page("Cy", &server.url()).await?;
            cy.paste_name(&plain).await?;
            wait_for_login_error(&cy, "name_taken").await?;
            for page in [bo, cy] {
                page.ensure_no_errors().await?;
                page.close_browser().await;
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn taken_and_invalid_names_are_explained_in_both_languages() -> TestResult {
    scenario("names", async |env| {
        let server = env.start_server().await?;
        let _ana = env.log_in("Ana", &server).await?;
        let bo = env.open_page("Bo", &server.url()).await?;
        for (name, code) in [("ANA", "name_taken"), ("a\u{200b}b", "name_invalid")] {
            bo.submit_login(name).await?;
            let english = wait_for_login_error(&bo, code).await?;
            bo.press("language").await?;
            let chinese = wait_for_login_error(&bo, code).await?;
            bo.press("language").await?;
            ensure!(!english.is_empty() && !is_chinese(&english) && is_chinese(&chinese), "{english} {chinese}");
        }
        bo.log_in("Bo").await
    })
    .await
}

#[tokio::test]
async fn the_page_uses_the_browsers_language_and_remembers_a_switch() -> TestResult {
    scenario("languages", async |env| {
        let server = env.start_server().await?;
        for (language, chinese_first) in [("zh-CN", true), ("en-US", false)] {
            let page = env.new_page(language, &BrowserOptions { language, ..BrowserOptions::default() }).await?;
            page.open(&server.url()).await?;
            ensure!(
                is_chinese(&login_button_text(&page).await?) == chinese_first,
                "{language}: not in the browser's language"
            );
            page.press("language").await?;
            ensure!(is_chinese(&login_button_text(&page).await?) != chinese_first, "{language}: not switched");
            page.reload().await?;
            ensure!(
                is_chinese(&login_button_text(&page).await?) != chinese_first,
                "{language}: the choice was forgotten"
            );
            let marked: String = page.run("return document.documentElement.lang").await?;
            ensure!(marked.starts_with("zh") != chinese_first, "the document's language is {marked}");
        }
        Ok(())
    })
    .await
}

async fn login_button_text(page: &TestPage) -> Result<String> {
    let text = page
        .wait_for_value("the login button", UI_TIMEOUT, r#"const it = one("login"); return it && it.innerText"#)
        .await?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn the_page_reports_an_unreachable_server_and_reconnects() -> TestResult {
    scenario("server_away", async |env| {
        let server = env.start_server().await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.open_page("Bo", &server.url()).await?;
        let address = server.address().to_string();
        server.kill().await?;

        ana.wait_until(
            "the notice that the connection is lost",
            UI_TIMEOUT,
            r#"const it = one("reconnecting"); return it && it.innerText.trim()"#,
        )
        .await?;
        bo.submit_login("Bo").await?;
        let sentence = wait_for_login_error(&bo, "server_away").await?;
        ensure!(!sentence.is_empty(), "the login error has no text");

        env.start_server_on(&address).await?;
        ana.wait_until("the connection to be back", RECONNECT_TIMEOUT, r#"return !one("reconnecting")"#).await?;
        ana.wait_for_own_state("online", RECONNECT_TIMEOUT).await?;
        bo.wait_for_own_state("online", RECONNECT_TIMEOUT).await?;
        ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
        bo.wait_for_user_state("Ana", "online", UI_TIMEOUT).await?;
        ring(&ana, &bo, CallKind::Voice).await
    })
    .await
}
