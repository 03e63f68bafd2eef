//! A server that goes in the middle of a call, and one that takes its place.

use std::{net::Ipv4Addr, time::Duration};

use hutong_e2e::{
    Context, Outcome, ensure,
    media::ensure_unbroken,
    page::SOON,
    scenario,
    steps::{LET_GO, MEDIA, With, call, let_go},
};

/// How long both may take to be in their call again.
const BACK: Duration = Duration::from_secs(30);

/// A port that is free, and that the system gives to no connection by itself: a page that looks for the server while it is away
/// could otherwise be given the very port.
fn free_port() -> Option<u16> {
    let first = 10_000 + (std::process::id() % 10_000) as u16;
    (first..first + 10_000).step_by(7).find(|port| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

#[tokio::test]
async fn a_call_goes_on_while_its_server_is_killed_and_started_anew() -> Outcome {
    scenario("restart", async |world| {
        let key = tempfile::tempdir()?;
        let key = key.path().join("ticket-key");
        let options = ["--ticket-key-file", key.to_str().context("a path in UTF-8")?];
        let listen = format!("127.0.0.1:{}", free_port().context("a free port")?);
        let server = world.server_with(&listen, &options).await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        let cai = world.log_in("Cai", &server).await?;
        call(&ana, &bo, With::Video).await?;
        for page in [&ana, &bo] {
            page.receives(20, MEDIA).await?;
            cai.sees(page.name(), "in_call", SOON).await?;
            page.start_sampling(Duration::from_secs(1)).await?;
        }

        server.kill().await?;
        for page in [&ana, &bo] {
            page.until("the word that the link is lost", SOON, r#"return one("link")"#).await?;
            page.phase("connected", SOON).await?;
            // Away for some seconds, in which nothing but media goes.
            let away: usize = page.run("return e2e.samples.length").await?;
            page.until("three more samples", MEDIA, &format!("return e2e.samples.length >= {}", away + 3)).await?;
        }
        let frames = [ana.received().await?.frames, bo.received().await?.frames];
        world.server_with(&listen, &options).await?;
        for page in [&ana, &bo] {
            page.is("in_call", BACK).await?;
            page.until("the link to be back", SOON, r#"return !one("link")"#).await?;
            page.phase("connected", SOON).await?;
            cai.sees(page.name(), "in_call", BACK).await?;
        }

        for (page, before) in [&ana, &bo].into_iter().zip(frames) {
            page.receives(before, MEDIA).await?;
            let so_far: usize = page.run("return e2e.samples.length").await?;
            let samples = page.samples(so_far + 3, MEDIA).await?;
            println!("restart: {} has {} samples a second apart", page.name(), samples.len());
            ensure_unbroken(page.name(), &samples)?;
        }
        let ended: bool = ana.run(r#"return Boolean(one("notice"))"#).await?;
        ensure!(!ended, "Ana is told something, where nothing has happened");

        // The call that came back is whole.
        bo.press("hang-up").await?;
        let_go(&ana, &bo).await?;
        cai.sees("Bo", "online", LET_GO).await?;
        cai.sees("Ana", "online", LET_GO).await
    })
    .await
}
