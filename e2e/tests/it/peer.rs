//! A client that was written from `docs/PROTOCOL.md` alone (`peer/peer.py`), called from Chromium.

use std::{path::Path, time::Duration};

use hutong_e2e::{
    Outcome, Page, Result, Server, ensure,
    page::SOON,
    process::Process,
    scenario,
    steps::{LET_GO, MEDIA},
};
use serde_json::Value;
use tokio::process::Command;

/// How long Python may take to load its libraries, on a busy machine.
const START: Duration = Duration::from_secs(20);

const NAME: &str = "小明";

/// The system's own Python where there is one: only that has the system's packages.
fn python() -> &'static str {
    const SYSTEM: &str = "/usr/bin/python3";
    if Path::new(SYSTEM).exists() { SYSTEM } else { "python3" }
}

/// The script, logged in.
async fn peer(server: &Server, arguments: &[&str]) -> Result<Process> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/peer.py");
    let mut command = Command::new(python());
    command.arg(script).arg(format!("ws://{}/ws", server.address())).arg(NAME).args(arguments);
    let mut peer = Process::spawn("peer.py", &mut command)?;
    peer.wait_for_line(START, |line| message(line, "got", "welcome")).await?;
    Ok(peer)
}

/// The message of this type in a line of the script's, if that is what the line tells.
fn message(line: &str, way: &str, kind: &str) -> Option<Value> {
    let told: Value = serde_json::from_str(line).ok()?;
    let message = told.get(way)?;
    (message["type"] == kind).then(|| message.clone())
}

/// The messages about the call, in order, each with its way. Candidates come when they come, and are left out.
fn about_the_call(peer: &Process) -> Vec<(String, String)> {
    const OTHERS: [&str; 5] = ["hello", "welcome", "presence", "roster", "candidate"];
    let text = peer.log().text();
    let told = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    told.filter_map(|told| {
        let (way, message) = told.as_object()?.iter().next()?;
        let kind = message.get("type")?.as_str()?;
        (!OTHERS.contains(&kind)).then(|| (way.clone(), kind.to_owned()))
    })
    .collect()
}

fn ensure_said(peer: &Process, expected: &[(&str, &str)]) -> Result<()> {
    let said = about_the_call(peer);
    let said: Vec<_> = said.iter().map(|(way, kind)| (way.as_str(), kind.as_str())).collect();
    ensure!(said == expected, "{said:?}, expected {expected:?}");
    Ok(())
}

/// Ana calls the script, until both see and hear each other, and a third sees both in a call.
async fn call(ana: &Page, third: &Page, peer: &mut Process) -> Result<()> {
    ana.sees(NAME, "online", SOON).await?;
    ana.press_for(NAME, "call-video").await?;
    ana.phase("connected", MEDIA).await?;
    for name in ["Ana", NAME] {
        third.sees(name, "in_call", SOON).await?;
    }
    ana.receives(30, MEDIA).await?;
    for what in ["picture", "voice"] {
        peer.wait_for_line(MEDIA, |line| serde_json::from_str::<Value>(line).ok()?.get(what)?.as_u64()).await?;
    }
    Ok(())
}

async fn all_online(ana: &Page, third: &Page) -> Result<()> {
    ana.no_call(LET_GO).await?;
    ana.is("online", LET_GO).await?;
    third.sees("Ana", "online", LET_GO).await?;
    third.sees(NAME, "online", LET_GO).await
}

#[tokio::test]
async fn a_client_written_from_the_documentation_is_called_answers_and_is_hung_up_on() -> Outcome {
    scenario("peer_called", async |world| {
        let server = world.server().await?;
        let mut peer = peer(&server, &[]).await?;
        let ana = world.log_in("Ana", &server).await?;
        let cai = world.log_in("Cai", &server).await?;
        call(&ana, &cai, &mut peer).await?;
        ana.press("hang-up").await?;
        all_online(&ana, &cai).await?;
        peer.wait_for_line(SOON, |line| message(line, "sent", "released")).await?;
        let expected = [
            ("got", "offering"),
            ("sent", "accept"),
            ("sent", "confirm"),
            ("got", "calling"),
            ("got", "ended"),
            ("sent", "released"),
        ];
        ensure_said(&peer, &expected)?;
        // It goes on.
        call(&ana, &cai, &mut peer).await?;
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn it_hangs_up_itself_and_both_are_online_again() -> Outcome {
    scenario("peer_hangs_up", async |world| {
        let server = world.server().await?;
        let mut peer = peer(&server, &["--hang-up-after", "60"]).await?;
        let ana = world.log_in("Ana", &server).await?;
        let cai = world.log_in("Cai", &server).await?;
        ana.sees(NAME, "online", SOON).await?;
        ana.press_for(NAME, "call-video").await?;
        ana.phase("connected", MEDIA).await?;
        peer.wait_for_line(MEDIA, |line| message(line, "sent", "released")).await?;
        ana.notice("hangup", SOON).await?;
        all_online(&ana, &cai).await?;
        let expected = [
            ("got", "offering"),
            ("sent", "accept"),
            ("sent", "confirm"),
            ("got", "calling"),
            ("sent", "cancel"),
            ("sent", "released"),
        ];
        ensure_said(&peer, &expected)?;
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn it_declines_and_both_are_online_again() -> Outcome {
    scenario("peer_declines", async |world| {
        let server = world.server().await?;
        let mut peer = peer(&server, &["--decline"]).await?;
        let ana = world.log_in("Ana", &server).await?;
        let cai = world.log_in("Cai", &server).await?;
        ana.sees(NAME, "online", SOON).await?;
        ana.press_for(NAME, "call-video").await?;
        peer.wait_for_line(MEDIA, |line| message(line, "sent", "released")).await?;
        ana.notice("declined", SOON).await?;
        all_online(&ana, &cai).await?;
        ensure_said(&peer, &[("got", "offering"), ("sent", "cancel"), ("sent", "released")])?;
        ana.ensure_no_errors().await
    })
    .await
}
