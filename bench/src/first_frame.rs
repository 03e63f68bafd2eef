//! Time from a click to the first frame of a call's video.

use hutong_e2e::{
    Context, Result, TestPage,
    call_steps::{CallKind, MEDIA_TIMEOUT, RELEASE_TIMEOUT, wait_until_connected, wait_until_released},
    page::UI_TIMEOUT,
};

use crate::video_clock;

/// Ana calls, and Bo's page accepts at once. Returns the milliseconds from each side's click (call, accept) to its
/// first remote frame; no person and no driver is in them.
///
/// # Errors
///
/// Returns an error when the call fails or shows no video.
pub async fn first_frame_waits([ana, bo]: [&TestPage; 2], round: usize) -> Result<[f64; 2]> {
    ana.wait_for_user_state("Bo", "online", UI_TIMEOUT).await?;
    bo.press_when_present(CallKind::Video.accept_button()).await?;
    ana.press_on_tile("Bo", CallKind::Video.call_button()).await?;
    wait_until_connected(ana, bo).await?;
    let mut waits = [0.0; 2];
    let buttons = [CallKind::Video.call_button(), CallKind::Video.accept_button()];
    for ((page, button), wait) in [ana, bo].into_iter().zip(buttons).zip(&mut waits) {
        page.wait_until(
            "the first frame",
            MEDIA_TIMEOUT,
            &format!("return window.__bench.firstFrames.length > {round}"),
        )
        .await?;
        let first = video_clock::first_frame_times(page)
            .await?
            .get(round)
            .copied()
            .context("the page reported no first frame")?;
        let clicks = page.clicks().await?;
        let click = clicks.iter().rev().find(|click| click.id == button).context("the page reported no click")?;
        *wait = first - click.at;
    }
    Ok(waits)
}

/// Ana ends the call.
///
/// # Errors
///
/// Returns an error when a side does not return.
pub async fn hang_up([ana, bo]: [&TestPage; 2]) -> Result<()> {
    ana.press("hang-up").await?;
    wait_until_released(ana, bo).await?;
    bo.wait_for_user_state("Ana", "online", RELEASE_TIMEOUT).await
}
