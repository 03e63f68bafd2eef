//! What stands on the page: names, sentences, languages.

use std::time::Duration;

use hutong_e2e::{
    Outcome, Page, Profile, Result, ensure,
    page::SOON,
    scenario,
    steps::{With, ring},
};

/// How long a client that lost its server may take to be back, counting the pauses between its attempts.
const BACK: Duration = Duration::from_secs(20);

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// What the page says about the login that it was asked for.
async fn login_problem(page: &Page, code: &str) -> Result<String> {
    let script =
        format!(r#"const it = one("login-problem"); return it && it.dataset.code === "{code}" && it.innerText.trim()"#);
    let sentence = page.until_some(&format!("the sentence {code}"), SOON, &script).await?;
    Ok(sentence.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_name_is_text_whatever_it_says() -> Outcome {
    scenario("html_name", async |world| {
        const NAME: &str = r#"<img src=x onerror="window.hacked=1">"#;
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.open("Bo", &server.url()).await?;
        bo.log_in(NAME).await?;
        ana.sees(NAME, "online", SOON).await?;
        ana.until("the name as text", SOON, &format!("return user('{NAME}').innerText.includes('{NAME}')")).await?;

        bo.press_for("Ana", With::Video.call()).await?;
        ana.phase("incoming", SOON).await?;
        ana.until("the name as text", SOON, &format!("return one('call').innerText.includes('{NAME}')")).await?;
        bo.press("hang-up").await?;
        ana.press_for(NAME, With::Voice.call()).await?;
        bo.press("decline").await?;
        let sentence = ana.notice("declined", SOON).await?;
        ensure!(sentence.contains(NAME), "{sentence}");
        for page in [&ana, &bo] {
            let harmless: bool = page.run("return !document.querySelector('img[src=x]') && !window.hacked").await?;
            ensure!(harmless, "{}: the name was read as markup", page.name());
            page.ensure_no_errors().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_name_that_is_taken_or_no_name_gets_its_sentence_in_both_languages() -> Outcome {
    scenario("names", async |world| {
        let server = world.server().await?;
        let _ana = world.log_in("Ana", &server).await?;
        let bo = world.open("Bo", &server.url()).await?;
        for (name, code) in [("ANA", "name_taken"), ("a\u{200b}b", "name_invalid")] {
            bo.try_log_in(name).await?;
            let english = login_problem(&bo, code).await?;
            bo.press("language").await?;
            let chinese = login_problem(&bo, code).await?;
            bo.press("language").await?;
            ensure!(!english.is_empty() && !is_chinese(&english) && is_chinese(&chinese), "{english} {chinese}");
        }
        bo.log_in("Bo").await
    })
    .await
}

#[tokio::test]
async fn the_language_is_the_browsers_and_can_be_switched_for_good() -> Outcome {
    scenario("languages", async |world| {
        let server = world.server().await?;
        for (language, chinese_first) in [("zh-CN", true), ("en-US", false)] {
            let page = world.page(language, &Profile { language, ..Profile::default() }).await?;
            page.open(&server.url()).await?;
            ensure!(is_chinese(&button(&page).await?) == chinese_first, "{language}: not in the browser's language");
            page.press("language").await?;
            ensure!(is_chinese(&button(&page).await?) != chinese_first, "{language}: not switched");
            page.reload().await?;
            ensure!(is_chinese(&button(&page).await?) != chinese_first, "{language}: the choice was forgotten");
            let marked: String = page.run("return document.documentElement.lang").await?;
            ensure!(marked.starts_with("zh") != chinese_first, "the page is marked as {marked}");
        }
        Ok(())
    })
    .await
}

async fn button(page: &Page) -> Result<String> {
    let text =
        page.until_some("the login button", SOON, r#"const it = one("login"); return it && it.innerText"#).await?;
    Ok(text.as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_server_that_is_away_is_told_and_come_back_to() -> Outcome {
    scenario("server_away", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.open("Bo", &server.url()).await?;
        let address = server.address().to_string();
        server.kill().await?;

        ana.until(
            "the word that the link is lost",
            SOON,
            r#"const it = one("link"); return it && it.innerText.trim()"#,
        )
        .await?;
        bo.try_log_in("Bo").await?;
        let sentence = login_problem(&bo, "server_away").await?;
        ensure!(!sentence.is_empty(), "no sentence");

        world.server_on(&address).await?;
        ana.until("the link to be back", BACK, r#"return !one("link")"#).await?;
        ana.is("online", BACK).await?;
        bo.is("online", BACK).await?;
        ana.sees("Bo", "online", SOON).await?;
        bo.sees("Ana", "online", SOON).await?;
        ring(&ana, &bo, With::Voice).await
    })
    .await
}
