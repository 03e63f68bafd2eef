//! What is lost in the middle of a call, and what is not.

use std::time::{Duration, Instant};

use hutong_e2e::{
    Context, Outcome, Proxy, ensure,
    media::ensure_unbroken,
    page::SOON,
    scenario,
    steps::{LET_GO, MEDIA, With, call, let_go},
};

#[tokio::test]
async fn a_killed_browser_is_gone_at_once_and_its_call_ends_by_itself() -> Outcome {
    scenario("killed", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        call(&ana, &bo, With::Video).await?;
        ana.receives(20, MEDIA).await?;

        let killed = Instant::now();
        bo.kill_browser();
        ana.misses("Bo", Duration::from_secs(2)).await?;
        println!("killed: gone for the other after {:.1} s", killed.elapsed().as_secs_f32());
        ana.no_call(Duration::from_secs(35).saturating_sub(killed.elapsed())).await?;
        println!("killed: the other's call ended after {:.1} s", killed.elapsed().as_secs_f32());
        ana.is("online", LET_GO).await?;
        let left = ana.leftovers().await?;
        ensure!((left.peers, left.tracks) == (0, 0), "{left:?}");
        ana.until("a sentence on why it ended", SOON, r#"const it = one("notice"); return it && it.innerText.trim()"#)
            .await
    })
    .await
}

#[tokio::test]
async fn a_lost_websocket_does_not_interrupt_the_call() -> Outcome {
    scenario("cut", async |world| {
        let server = world.server().await?;
        let proxy = Proxy::start(server.address()).await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.open("Bo", &proxy.url()).await?;
        bo.log_in("Bo").await?;
        let cai = world.log_in("Cai", &server).await?;
        call(&ana, &bo, With::Video).await?;
        for page in [&ana, &bo] {
            page.receives(20, MEDIA).await?;
            cai.sees(page.name(), "in_call", SOON).await?;
            page.start_sampling(Duration::from_secs(1)).await?;
        }

        proxy.cut();
        cai.misses("Bo", Duration::from_secs(2)).await?;
        bo.until("the word that the link is lost", SOON, r#"const it = one("link"); return it && it.innerText.trim()"#)
            .await?;
        ana.phase("connected", SOON).await?;
        // Away for some seconds, in which nothing but media goes.
        let away: usize = bo.run("return e2e.samples.length").await?;
        bo.until("three more samples", MEDIA, &format!("return e2e.samples.length >= {}", away + 3)).await?;
        proxy.mend();
        cai.sees("Bo", "in_call", Duration::from_secs(20)).await?;
        cai.sees("Ana", "in_call", SOON).await?;
        bo.until("the link to be back", SOON, r#"return !one("link")"#).await?;

        for page in [&ana, &bo] {
            let so_far: usize = page.run("return e2e.samples.length").await?;
            let samples = page.samples(so_far + 3, MEDIA).await?;
            println!("cut: {} has {} samples a second apart", page.name(), samples.len());
            ensure_unbroken(page.name(), &samples)?;
        }
        let states: Vec<_> =
            cai.roster_changes().await?.into_iter().filter(|it| it.name == "Bo").map(|it| it.state).collect();
        let lost = states.iter().position(|state| state == "gone").context("Bo was never offline")?;
        let after = states.get(lost + 1..).unwrap_or_default();
        ensure!(after.last().is_some_and(|state| state == "in_call"), "{states:?}");

        // The call that came back is whole: it can be hung up from the side that was away.
        bo.press("hang-up").await?;
        let_go(&ana, &bo).await?;
        cai.sees("Bo", "online", LET_GO).await?;
        cai.sees("Ana", "online", LET_GO).await
    })
    .await
}

#[tokio::test]
async fn a_reloaded_page_is_logged_in_again_and_its_call_is_over() -> Outcome {
    scenario("reload", async |world| {
        let server = world.server().await?;
        let ana = world.log_in("Ana", &server).await?;
        let bo = world.log_in("Bo", &server).await?;
        let token = bo.run::<String>(r#"return one("me").dataset.token"#).await?;
        call(&ana, &bo, With::Video).await?;

        bo.reload().await?;
        bo.is("online", SOON).await?;
        bo.until("its name", SOON, r#"return one("me").dataset.name === "Bo""#).await?;
        ana.no_call(SOON).await?;
        let_go(&ana, &bo).await?;
        ana.sees("Bo", "online", SOON).await?;
        ensure!(bo.run::<String>(r#"return one("me").dataset.token"#).await? == token, "Bo is somebody else now");

        call(&bo, &ana, With::Voice).await
    })
    .await
}
