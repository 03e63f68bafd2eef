//! Restart of the server in the middle of a call.

use std::{net::Ipv4Addr, time::Duration};

use hutong_e2e::{
    Context, TestResult,
    call_steps::{CallKind, MEDIA_TIMEOUT, RELEASE_TIMEOUT, call, wait_until_released},
    ensure,
    instrument::ensure_unbroken,
    page::UI_TIMEOUT,
    scenario,
};

/// Time limit for both users to be in their call again.
const RECONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// A free port outside the ephemeral range: otherwise the kernel could give this port to a page's connection while the
/// page looks for the stopped server.
fn free_port() -> Option<u16> {
    let first = 10_000 + (std::process::id() % 10_000) as u16;
    (first..first + 10_000).step_by(7).find(|port| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
}

#[tokio::test]
async fn a_call_continues_while_the_server_is_killed_and_restarted() -> TestResult {
    scenario("server_restart", async |env| {
        let key = tempfile::tempdir()?;
        let key = key.path().join("ticket-key");
        let options = ["--ticket-key-file", key.to_str().context("a path in UTF-8")?];
        let listen = format!("127.0.0.1:{}", free_port().context("a free port")?);
        let server = env.start_server_with(&listen, &options).await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        let cai = env.log_in("Cai", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;
        for page in [&ana, &bo] {
            page.wait_for_received(20, MEDIA_TIMEOUT).await?;
            cai.wait_for_user_state(page.name(), "in_call", UI_TIMEOUT).await?;
            page.start_recording_totals(Duration::from_secs(1)).await?;
        }

        server.kill().await?;
        for page in [&ana, &bo] {
            page.wait_until("the notice that the connection is lost", UI_TIMEOUT, r#"return one("reconnecting")"#)
                .await?;
            page.wait_for_phase("connected", UI_TIMEOUT).await?;
            // Stay disconnected for some seconds, in which only media flows.
            let recorded: usize = page.run("return e2e.recordedTotals.length").await?;
            page.wait_until(
                "three more records",
                MEDIA_TIMEOUT,
                &format!("return e2e.recordedTotals.length >= {}", recorded + 3),
            )
            .await?;
        }
        let frames = [ana.received_totals().await?.frames, bo.received_totals().await?.frames];
        env.start_server_with(&listen, &options).await?;
        for page in [&ana, &bo] {
            page.wait_for_own_state("in_call", RECONNECT_TIMEOUT).await?;
            page.wait_until("the connection to be back", UI_TIMEOUT, r#"return !one("reconnecting")"#).await?;
            page.wait_for_phase("connected", UI_TIMEOUT).await?;
            cai.wait_for_user_state(page.name(), "in_call", RECONNECT_TIMEOUT).await?;
        }

        for (page, before) in [&ana, &bo].into_iter().zip(frames) {
            page.wait_for_received(before, MEDIA_TIMEOUT).await?;
            let so_far: usize = page.run("return e2e.recordedTotals.length").await?;
            let samples = page.stop_recording_totals(so_far + 3, MEDIA_TIMEOUT).await?;
            println!("server restart: {} has {} records, one a second", page.name(), samples.len());
            ensure_unbroken(page.name(), &samples)?;
        }
        let has_notice: bool = ana.run(r#"return Boolean(one("notice"))"#).await?;
        ensure!(!has_notice, "Ana sees a notice although her call continues");

        // The server controls the restored call again: Bo can hang up.
        bo.press("hang-up").await?;
        wait_until_released(&ana, &bo).await?;
        cai.wait_for_user_state("Bo", "online", RELEASE_TIMEOUT).await?;
        cai.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await
    })
    .await
}

#[tokio::test]
async fn a_call_that_a_restarted_server_does_not_know_ends_with_a_notice_on_both_sides() -> TestResult {
    scenario("server_restart_without_key", async |env| {
        let listen = format!("127.0.0.1:{}", free_port().context("a free port")?);
        let server = env.start_server_with(&listen, &[]).await?;
        let ana = env.log_in("Ana", &server).await?;
        let bo = env.log_in("Bo", &server).await?;
        call(&ana, &bo, CallKind::Video).await?;

        server.kill().await?;
        env.start_server_with(&listen, &[]).await?;
        for page in [&ana, &bo] {
            let sentence = page.wait_for_notice("server_lost", RECONNECT_TIMEOUT).await?;
            ensure!(sentence.contains("Call again"), "{sentence}");
            page.wait_for_own_state("online", UI_TIMEOUT).await?;
        }
        call(&bo, &ana, CallKind::Voice).await
    })
    .await
}
