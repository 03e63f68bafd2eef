//! What many scenarios do.

use std::time::Duration;

use crate::{Page, Result, page::SOON};

/// How long media may take to flow, on a busy machine: as long as the server gives it (`limits::MEDIA`).
pub const MEDIA: Duration = Duration::from_secs(30);

/// How long everybody may take to be `online` after a call has ended.
pub const LET_GO: Duration = Duration::from_secs(3);

/// Which devices a call is made or answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Camera and microphone.
    Video,
    /// The microphone alone.
    Voice,
}

impl With {
    /// The button that calls so.
    #[must_use]
    pub const fn call(self) -> &'static str {
        match self {
            Self::Video => "call-video",
            Self::Voice => "call-voice",
        }
    }

    /// The button that answers so.
    #[must_use]
    pub const fn accept(self) -> &'static str {
        match self {
            Self::Video => "accept-video",
            Self::Voice => "accept-voice",
        }
    }
}

/// One calls another, until it rings there.
///
/// # Errors
///
/// When it does not ring.
pub async fn ring(caller: &Page, called: &Page, with: With) -> Result<()> {
    caller.sees(called.name(), "online", SOON).await?;
    caller.press_for(called.name(), with.call()).await?;
    called.phase("incoming", SOON).await?;
    caller.phase("ringing", SOON).await
}

/// Waits until so many of the page's audio contexts run. One that runs costs processor time whether or not anything is to be heard.
/// Of a browser's page alone: in an app they were made before anything could look.
///
/// # Errors
///
/// When more or fewer do.
pub async fn sounding(page: &Page, contexts: usize) -> Result<()> {
    let run = format!("return window.__e2e.sounds.filter((it) => it.state === 'running').length === {contexts}");
    page.until(&format!("{contexts} running audio contexts"), SOON, &run).await
}

/// One calls another, who answers in the same way, until media flows.
///
/// # Errors
///
/// When it does not flow.
pub async fn call(caller: &Page, called: &Page, with: With) -> Result<()> {
    ring(caller, called, with).await?;
    called.press(with.accept()).await?;
    connected(caller, called).await
}

/// Waits until both are in the call.
///
/// # Errors
///
/// When one is not by then.
pub async fn connected(one: &Page, other: &Page) -> Result<()> {
    one.phase("connected", MEDIA).await?;
    other.phase("connected", MEDIA).await
}

/// Waits until both have no call and are online, and checks that neither holds a device or a peer connection any more.
///
/// # Errors
///
/// When that does not come about.
pub async fn let_go(one: &Page, other: &Page) -> Result<()> {
    for page in [one, other] {
        page.no_call(LET_GO).await?;
        page.is("online", LET_GO).await?;
        page.until(
            "devices and peer connections to be let go",
            LET_GO,
            "const left = e2e.leftovers(); return left.peers === 0 && left.tracks === 0",
        )
        .await?;
    }
    Ok(())
}
