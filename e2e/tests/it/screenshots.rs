//! Screenshots of every view: `cargo test -p hutong-e2e --test it screenshots:: -- --ignored` writes them to e2e/shots,
//! named after language, view, size and colour scheme.

use std::path::Path;

use hutong_e2e::{
    BrowserOptions, Result, TestEnv, TestPage, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, ring, wait_until_connected, wait_until_released},
    page::UI_TIMEOUT,
    paths, scenario,
};

const SIZES: [(u32, u32); 2] = [(390, 844), (1280, 800)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// Takes screenshots in all sizes and colour schemes.
async fn take_screenshots(page: &TestPage, folder: &Path, screen: &str) -> Result<()> {
    for (width, height) in SIZES {
        for scheme in SCHEMES {
            page.set_viewport(width, height, scheme).await?;
            page.screenshot(&folder.join(format!("{screen}-{width}x{height}-{scheme}.png"))).await?;
        }
    }
    Ok(())
}

/// Logs idle users in over bare `WebSocket`s.
async fn log_in_idle_users(env: &mut TestEnv, url: &str, names: &[&str]) -> Result<()> {
    let page = env.open_page("idle users", url).await?;
    for name in names {
        let hello = format!(
            r#"const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws", "hutong.v1");
            (window.idleUsers ||= []).push(socket);
            await new Promise((done) => {{ socket.onmessage = done; socket.onopen = () =>
                socket.send(JSON.stringify({{ type: "hello", name: "{name}" }})); }});"#
        );
        page.run::<()>(&hello).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "takes screenshots and checks nothing"]
async fn screenshots_of_sharing_in_the_app() -> TestResult {
    scenario("screenshots_app", async |env| {
        let folder = paths::screenshots_dir()?.join("app");
        std::fs::create_dir_all(&folder)?;
        let app = env.start_app("Ana").await?;
        let ana = app.page();
        ana.log_in("Ana").await?;
        ana.press("share").await?;
        ana.press("require-access-key").await?;
        ana.wait_until("the QR code", UI_TIMEOUT, r#"return one("share-qr") && one("me")"#).await?;
        for language in ["one", "other"] {
            for (width, height) in SIZES {
                app.resize_window(width, height).await?;
                ana.wait_until("the new size", UI_TIMEOUT, &format!("return innerWidth === {width}")).await?;
                ana.run::<()>(r#"one("share").scrollIntoView()"#).await?;
                ana.screenshot(&folder.join(format!("sharing-{language}-{width}x{height}.png"))).await?;
            }
            ana.press("language").await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "takes screenshots and checks nothing"]
async fn screenshots_of_every_screen() -> TestResult {
    let languages = [
        ("zh-CN", ["小明", "安娜"], ["王芳", "李雷", "韩梅梅", "Sofía", "张伟（上海）", "Oleksandr"]),
        ("en-US", ["Ana", "Bo"], ["Chidi", "Daniela Fernández", "Eun-ji", "Farid", "王芳", "Oleksandr Kovalenko"]),
    ];
    for (language, [one, other], others) in languages {
        scenario("screenshots", async |env| {
            let folder = paths::screenshots_dir()?.join(language);
            std::fs::create_dir_all(&folder)?;
            let server = env.start_server().await?;
            log_in_idle_users(env, &server.url(), &others).await?;
            let profile = BrowserOptions { language, ..BrowserOptions::default() };
            let ana = env.new_page(one, &profile).await?;
            ana.open(&server.url()).await?;
            ana.wait_until("the main page", UI_TIMEOUT, r#"return one("login")"#).await?;
            take_screenshots(&ana, &folder, "1-login").await?;
            ana.submit_login(others[0]).await?;
            ana.wait_until("the login error", UI_TIMEOUT, r#"return one("login-problem")"#).await?;
            take_screenshots(&ana, &folder, "2-login-problem").await?;
            ana.log_in(one).await?;
            let bo = env.new_page(other, &profile).await?;
            bo.open(&server.url()).await?;
            bo.log_in(other).await?;
            ana.wait_for_user_state(other, "online", UI_TIMEOUT).await?;
            take_screenshots(&ana, &folder, "3-roster").await?;

            ring(&bo, &ana, CallKind::Video).await?;
            take_screenshots(&ana, &folder, "4-incoming").await?;
            take_screenshots(&bo, &folder, "5-ringing").await?;
            ana.press("accept-video").await?;
            wait_until_connected(&bo, &ana).await?;
            ana.wait_for_received(20, MEDIA_TIMEOUT).await?;
            take_screenshots(&ana, &folder, "6-in-call").await?;
            ana.press("hang-up").await?;
            wait_until_released(&ana, &bo).await?;

            ring(&ana, &bo, CallKind::Voice).await?;
            bo.press("accept-voice").await?;
            wait_until_connected(&ana, &bo).await?;
            take_screenshots(&ana, &folder, "7-voice-call").await?;
            bo.press("hang-up").await?;
            wait_until_released(&ana, &bo).await?;

            ring(&ana, &bo, CallKind::Video).await?;
            bo.press("decline").await?;
            ana.wait_for_notice("declined", UI_TIMEOUT).await?;
            take_screenshots(&ana, &folder, "8-notice").await
        })
        .await?;
    }
    Ok(())
}
