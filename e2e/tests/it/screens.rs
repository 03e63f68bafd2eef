//! Pictures of every screen, for people to look at: `cargo test -p hutong-e2e --test it screens:: -- --ignored` puts them
//! into e2e/shots, named after language, screen, size and scheme.

use std::path::Path;

use hutong_e2e::{
    Outcome, Page, Profile, Result, World,
    page::SOON,
    paths, scenario,
    steps::{MEDIA, With, connected, let_go, ring},
};

const SIZES: [(u32, u32); 2] = [(390, 844), (1280, 800)];
const SCHEMES: [&str; 2] = ["light", "dark"];

/// Takes a page's picture in all sizes and schemes.
async fn pictures(page: &Page, folder: &Path, screen: &str) -> Result<()> {
    for (width, height) in SIZES {
        for scheme in SCHEMES {
            page.look(width, height, scheme).await?;
            page.picture(&folder.join(format!("{screen}-{width}x{height}-{scheme}.png"))).await?;
        }
    }
    Ok(())
}

/// Fills the roster with people who do nothing.
async fn crowd(world: &mut World, url: &str, names: &[&str]) -> Result<()> {
    let page = world.open("crowd", url).await?;
    for name in names {
        let hello = format!(
            r#"const socket = new WebSocket(location.origin.replace("http", "ws") + "/ws", "hutong.v1");
            (window.crowd ||= []).push(socket);
            await new Promise((done) => {{ socket.onmessage = done; socket.onopen = () =>
                socket.send(JSON.stringify({{ type: "hello", name: "{name}" }})); }});"#
        );
        page.run::<()>(&hello).await?;
    }
    Ok(())
}

#[tokio::test]
#[ignore = "takes pictures, and checks nothing"]
async fn screens() -> Outcome {
    let languages = [
        ("zh-CN", ["小明", "安娜"], ["王芳", "李雷", "韩梅梅", "Sofía", "张伟（上海）", "Oleksandr"]),
        ("en-US", ["Ana", "Bo"], ["Chidi", "Daniela Fernández", "Eun-ji", "Farid", "王芳", "Oleksandr Kovalenko"]),
    ];
    for (language, [one, other], others) in languages {
        scenario("screens", async |world| {
            let folder = paths::shots()?.join(language);
            std::fs::create_dir_all(&folder)?;
            let server = world.server().await?;
            crowd(world, &server.url(), &others).await?;
            let profile = Profile { language, ..Profile::default() };
            let ana = world.page(one, &profile).await?;
            ana.open(&server.url()).await?;
            ana.until("the main page", SOON, r#"return one("login")"#).await?;
            pictures(&ana, &folder, "1-login").await?;
            ana.try_log_in(others[0]).await?;
            ana.until("the sentence", SOON, r#"return one("login-problem")"#).await?;
            pictures(&ana, &folder, "2-login-problem").await?;
            ana.log_in(one).await?;
            let bo = world.page(other, &profile).await?;
            bo.open(&server.url()).await?;
            bo.log_in(other).await?;
            ana.sees(other, "online", SOON).await?;
            pictures(&ana, &folder, "3-roster").await?;

            ring(&bo, &ana, With::Video).await?;
            pictures(&ana, &folder, "4-incoming").await?;
            pictures(&bo, &folder, "5-ringing").await?;
            ana.press("accept-video").await?;
            connected(&bo, &ana).await?;
            ana.receives(20, MEDIA).await?;
            pictures(&ana, &folder, "6-in-call").await?;
            ana.press("hang-up").await?;
            let_go(&ana, &bo).await?;

            ring(&ana, &bo, With::Voice).await?;
            bo.press("accept-voice").await?;
            connected(&ana, &bo).await?;
            pictures(&ana, &folder, "7-voice-call").await?;
            bo.press("hang-up").await?;
            let_go(&ana, &bo).await?;

            ring(&ana, &bo, With::Video).await?;
            bo.press("decline").await?;
            ana.notice("declined", SOON).await?;
            pictures(&ana, &folder, "8-notice").await
        })
        .await?;
    }
    Ok(())
}
