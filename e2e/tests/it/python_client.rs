//! A second implementation of the protocol, written from `docs/PROTOCOL.md` alone (`python_client/client.py`), called
//! from Chromium.

use std::{path::Path, time::Duration};

use hutong_e2e::{
    Result, ServerProcess, TestPage, TestResult,
    call_steps::{MEDIA_TIMEOUT, RELEASE_TIMEOUT},
    ensure,
    page::UI_TIMEOUT,
    process::ChildProcess,
    scenario,
};
use serde_json::Value;
use tokio::process::Command;

/// Time limit for Python to load its libraries, on a busy machine.
const START_TIMEOUT: Duration = Duration::from_secs(20);

const NAME: &str = "小明";

/// The system's Python if there is one: only it has the packages of the distribution.
fn python() -> &'static str {
    const SYSTEM: &str = "/usr/bin/python3";
    if Path::new(SYSTEM).exists() { SYSTEM } else { "python3" }
}

/// Starts the Python client and waits until it is logged in.
async fn start_client(server: &ServerProcess, arguments: &[&str]) -> Result<ChildProcess> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python_client/client.py");
    let mut command = Command::new(python());
    command.arg(script).arg(format!("ws://{}/ws", server.address())).arg(NAME).args(arguments);
    let mut client = ChildProcess::spawn("client.py", &mut command)?;
    client.wait_for_line(START_TIMEOUT, |line| message(line, "received", "welcome")).await?;
    Ok(client)
}

/// The message of this direction (`sent` or `received`) and type in an output line, if the line reports one.
fn message(line: &str, direction: &str, kind: &str) -> Option<Value> {
    let line: Value = serde_json::from_str(line).ok()?;
    let message = line.get(direction)?;
    (message["type"] == kind).then(|| message.clone())
}

/// Direction and type of all call messages in order. Candidates are left out: their order is not deterministic.
fn call_messages(client: &ChildProcess) -> Vec<(String, String)> {
    const OTHERS: [&str; 5] = ["hello", "welcome", "presence", "roster", "candidate"];
    let text = client.log().text();
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    entries
        .filter_map(|entry| {
            let (direction, message) = entry.as_object()?.iter().next()?;
            let kind = message.get("type")?.as_str()?;
            (!OTHERS.contains(&kind)).then(|| (direction.clone(), kind.to_owned()))
        })
        .collect()
}

fn ensure_messages(client: &ChildProcess, expected: &[(&str, &str)]) -> Result<()> {
    let messages = call_messages(client);
    let messages: Vec<_> = messages.iter().map(|(direction, kind)| (direction.as_str(), kind.as_str())).collect();
    ensure!(messages == expected, "{messages:?}, expected {expected:?}");
    Ok(())
}

/// Ana calls the Python client and waits until both receive media and a third page shows both in a call.
async fn call(ana: &TestPage, third: &TestPage, client: &mut ChildProcess) -> Result<()> {
    ana.wait_for_user_state(NAME, "online", UI_TIMEOUT).await?;
    ana.press_on_tile(NAME, "call-video").await?;
    ana.wait_for_phase("connected", MEDIA_TIMEOUT).await?;
    for name in ["Ana", NAME] {
        third.wait_for_user_state(name, "in_call", UI_TIMEOUT).await?;
    }
    ana.wait_for_received(30, MEDIA_TIMEOUT).await?;
    for kind in ["video_frames", "audio_frames"] {
        client
            .wait_for_line(MEDIA_TIMEOUT, |line| serde_json::from_str::<Value>(line).ok()?.get(kind)?.as_u64())
            .await?;
    }
    Ok(())
}

async fn all_online(ana: &TestPage, third: &TestPage) -> Result<()> {
    ana.wait_until_no_call(RELEASE_TIMEOUT).await?;
    ana.wait_for_own_state("online", RELEASE_TIMEOUT).await?;
    third.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await?;
    third.wait_for_user_state(NAME, "online", RELEASE_TIMEOUT).await
}

#[tokio::test]
async fn the_python_client_answers_a_call_and_handles_a_hang_up() -> TestResult {
    scenario("python_client_answers", async |env| {
        let server = env.start_server().await?;
        let mut client = start_client(&server, &[]).await?;
        let ana = env.log_in("Ana", &server).await?;
        let cai = env.log_in("Cai", &server).await?;
        call(&ana, &cai, &mut client).await?;
        ana.press("hang-up").await?;
        all_online(&ana, &cai).await?;
        client.wait_for_line(UI_TIMEOUT, |line| message(line, "sent", "released")).await?;
        let expected = [
            ("received", "offering"),
            ("sent", "accept"),
            ("sent", "confirm"),
            ("received", "calling"),
            ("received", "ended"),
            ("sent", "released"),
        ];
        ensure_messages(&client, &expected)?;
        // The client accepts another call.
        call(&ana, &cai, &mut client).await?;
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn both_users_are_online_after_the_python_client_hangs_up() -> TestResult {
    scenario("python_client_hangs_up", async |env| {
        let server = env.start_server().await?;
        let mut client = start_client(&server, &["--hang-up-after", "60"]).await?;
        let ana = env.log_in("Ana", &server).await?;
        let cai = env.log_in("Cai", &server).await?;
        ana.wait_for_user_state(NAME, "online", UI_TIMEOUT).await?;
        ana.press_on_tile(NAME, "call-video").await?;
        ana.wait_for_phase("connected", MEDIA_TIMEOUT).await?;
        client.wait_for_line(MEDIA_TIMEOUT, |line| message(line, "sent", "released")).await?;
        ana.wait_for_notice("hangup", UI_TIMEOUT).await?;
        all_online(&ana, &cai).await?;
        let expected = [
            ("received", "offering"),
            ("sent", "accept"),
            ("sent", "confirm"),
            ("received", "calling"),
            ("sent", "cancel"),
            ("sent", "released"),
        ];
        ensure_messages(&client, &expected)?;
        ana.ensure_no_errors().await
    })
    .await
}

#[tokio::test]
async fn both_users_are_online_after_the_python_client_declines() -> TestResult {
    scenario("python_client_declines", async |env| {
        let server = env.start_server().await?;
        let mut client = start_client(&server, &["--decline"]).await?;
        let ana = env.log_in("Ana", &server).await?;
        let cai = env.log_in("Cai", &server).await?;
        ana.wait_for_user_state(NAME, "online", UI_TIMEOUT).await?;
        ana.press_on_tile(NAME, "call-video").await?;
        client.wait_for_line(MEDIA_TIMEOUT, |line| message(line, "sent", "released")).await?;
        ana.wait_for_notice("declined", UI_TIMEOUT).await?;
        all_online(&ana, &cai).await?;
        ensure_messages(&client, &[("received", "offering"), ("sent", "cancel"), ("sent", "released")])?;
        ana.ensure_no_errors().await
    })
    .await
}
