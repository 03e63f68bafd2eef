//! Steps that many scenarios share: ring, answer, wait for the call and for its end.

use std::time::Duration;

use crate::{Result, TestPage, page::UI_TIMEOUT};

/// Time limit for media to flow on a busy machine.
pub const MEDIA_TIMEOUT: Duration = Duration::from_secs(30);

/// Time limit for both users to be `online` and all media released after a call.
pub const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);

/// Kind of a call: which devices it is made or answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallKind {
    /// Camera and microphone.
    Video,
    /// Microphone only.
    Voice,
}

impl CallKind {
    /// `data-testid` of the button that starts such a call.
    #[must_use]
    pub const fn call_button(self) -> &'static str {
        match self {
            Self::Video => "call-video",
            Self::Voice => "call-voice",
        }
    }

    /// `data-testid` of the button that answers with these devices.
    #[must_use]
    pub const fn accept_button(self) -> &'static str {
        match self {
            Self::Video => "accept-video",
            Self::Voice => "accept-voice",
        }
    }
}

/// Calls and waits until the called page rings.
///
/// # Errors
///
/// Returns an error when it does not ring in time.
pub async fn ring(caller: &TestPage, called: &TestPage, kind: CallKind) -> Result<()> {
    caller.wait_for_user_state(called.name(), "online", UI_TIMEOUT).await?;
    caller.press_on_tile(called.name(), kind.call_button()).await?;
    called.wait_for_phase("incoming", UI_TIMEOUT).await?;
    caller.wait_for_phase("ringing", UI_TIMEOUT).await
}

/// A script's condition: the list of calls with this `data-testid` (`missed-calls` or `recent-calls`) has a call with this user
/// and outcome.
#[must_use]
pub fn shows_call(list: &str, user: &str, outcome: &str) -> String {
    format!(
        "return [...(one('{list}')?.querySelectorAll('[data-testid=past-call]') ?? [])]
            .some((it) => it.dataset.name === {} && it.dataset.outcome === '{outcome}')",
        serde_json::json!(user)
    )
}

/// Waits until exactly so many of the page's audio contexts run; a running one costs CPU time even when silent. Only
/// for browsers: in an app the contexts exist before `instrument.js` runs.
///
/// # Errors
///
/// Returns an error when the limit passes.
pub async fn wait_for_running_audio_contexts(page: &TestPage, contexts: usize) -> Result<()> {
    let script =
        format!("return window.__e2e.audioContexts.filter((it) => it.state === 'running').length === {contexts}");
    page.wait_until(&format!("{contexts} running audio contexts"), UI_TIMEOUT, &script).await
}

/// Calls, answers with the same devices, and waits until media flows.
///
/// # Errors
///
/// Returns an error when it does not in time.
pub async fn call(caller: &TestPage, called: &TestPage, kind: CallKind) -> Result<()> {
    ring(caller, called, kind).await?;
    called.press(kind.accept_button()).await?;
    wait_until_connected(caller, called).await
}

/// Waits until both pages show the call as connected.
///
/// # Errors
///
/// Returns an error when one does not in time.
pub async fn wait_until_connected(one: &TestPage, other: &TestPage) -> Result<()> {
    one.wait_for_phase("connected", MEDIA_TIMEOUT).await?;
    other.wait_for_phase("connected", MEDIA_TIMEOUT).await
}

/// Waits until both users are online without a call, and hold no device and no open peer connection.
///
/// # Errors
///
/// Returns an error when the limit passes.
pub async fn wait_until_released(one: &TestPage, other: &TestPage) -> Result<()> {
    for page in [one, other] {
        page.wait_until_no_call(RELEASE_TIMEOUT).await?;
        page.wait_for_own_state("online", RELEASE_TIMEOUT).await?;
        page.wait_until(
            "devices and peer connections to be released",
            RELEASE_TIMEOUT,
            "const left = e2e.openResources(); return left.peers === 0 && left.tracks === 0",
        )
        .await?;
    }
    Ok(())
}
