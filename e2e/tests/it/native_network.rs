//! The desktop app in calls with Chromium over impaired networks.

use std::time::Duration;

use hutong_e2e::{
    EmulatedNetwork, Result, TestEnv, TestResult,
    call_assertions::{CallMedia, MEDIA_S, ensure_adapts_to_rate, ensure_media_flows, ensure_recovers},
    call_quality::{QualityBounds, ensure_quality, ensure_recovery_quality},
    call_steps::{CallKind, call, wait_until_connected},
    clients::{ClientKind, LoggedInClient, MicrophoneSource, log_in_pair},
    ensure,
    network::{LinkConditions, LinkDirection},
    sampler::ExpectedMedia,
    scenario,
};

/// Source of Ana's camera track.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CameraTrack {
    /// `WebKit`'s test image, which needs few bits.
    Fake,
    /// Noise, which needs all the bits that the encoder may spend.
    Noise,
}

/// Ana in the app calls Bo in Chromium over a network without impairments so far.
async fn start_call(env: &mut TestEnv, network: &EmulatedNetwork, camera: CameraTrack) -> Result<[LoggedInClient; 2]> {
    let clients =
        log_in_pair(env, [ClientKind::App, ClientKind::Chromium], MicrophoneSource::SyntheticVoice, Some(network))
            .await?;
    if camera == CameraTrack::Noise {
        clients[0].page.use_noise_camera().await?;
    }
    call(&clients[0].page, &clients[1].page, CallKind::Video).await?;
    Ok(clients)
}

/// Rate limit in bit/s: below what a debug build of the app sends on idle processors.
const NARROW_BIT_RATE: u32 = 300_000;

/// Rate limit in bit/s with room for audio and little else.
const AUDIO_ONLY_BIT_RATE: u32 = 100_000;

/// Seconds without a link.
const OUTAGE_S: usize = 8;

fn lossy() -> LinkConditions {
    LinkConditions { loss: 0.03, delay: Duration::from_millis(50), ..LinkConditions::default() }
}

/// Checks that each direction lost enough packets to affect the call.
fn ensure_packets_lost(network: &EmulatedNetwork) -> Result<()> {
    for direction in [LinkDirection::LeftToRight, LinkDirection::RightToLeft] {
        let counters = network.link.counters(direction);
        ensure!(counters.packets_lost > 10, "too few packets were lost: {counters:?}");
    }
    Ok(())
}

#[tokio::test]
async fn media_flows_over_a_lossy_link() -> TestResult {
    scenario("native_loss", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network, CameraTrack::Fake).await?;
        network.link.set_both(lossy());
        ensure_media_flows(&ana.page, &bo.page, CallMedia::VideoAndAudio).await?;
        ensure_packets_lost(&network)
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute"]
async fn media_quality_holds_over_a_lossy_link() -> TestResult {
    scenario("native_loss_quality", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network, CameraTrack::Fake).await?;
        network.link.set_both(lossy());
        let pages = [&bo.page, &ana.page];
        ensure_quality(pages, CallMedia::VideoAndAudio, Duration::from_secs(20), QualityBounds::APP_LOSSY).await?;
        ensure_packets_lost(&network)
    })
    .await
}

#[tokio::test]
async fn media_recovers_after_an_outage() -> TestResult {
    scenario("native_outage", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network, CameraTrack::Fake).await?;
        ensure_recovers(&network, &ana.page, &bo.page, OUTAGE_S).await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute"]
async fn media_recovers_within_6_s_of_an_outage() -> TestResult {
    scenario("native_outage_quality", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network, CameraTrack::Fake).await?;
        let outage = Duration::from_secs(OUTAGE_S as u64);
        let pages = [&bo.page, &ana.page];
        ensure_recovery_quality(&network, pages, outage, Duration::from_secs(6), QualityBounds::APP_LOSSY).await
    })
    .await
}

#[tokio::test]
async fn audio_flows_over_a_narrow_link() -> TestResult {
    scenario("native_narrow", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network, CameraTrack::Fake).await?;
        let narrow = LinkConditions { bit_rate: Some(AUDIO_ONLY_BIT_RATE), ..LinkConditions::default() };
        network.link.set_conditions(LinkDirection::LeftToRight, narrow);
        ensure_media_flows(&ana.page, &bo.page, CallMedia::Audio).await?;
        wait_until_connected(&ana.page, &bo.page).await
    })
    .await
}

/// Needs idle processors: on contended ones the app offers no more than the narrow link carries.
#[tokio::test]
#[ignore = "quality: half a minute"]
async fn the_encoder_adapts_to_a_narrow_link() -> TestResult {
    scenario("native_narrow_quality", async |env| {
        let network = EmulatedNetwork::new().await?;
        let [ana, bo] = start_call(env, &network, CameraTrack::Noise).await?;
        for page in [&ana.page, &bo.page] {
            page.wait_for_media(ExpectedMedia::VideoAndAudio, MEDIA_S).await?;
        }
        ensure_adapts_to_rate(&network, LinkDirection::LeftToRight, NARROW_BIT_RATE, Duration::from_secs(5)).await?;
        wait_until_connected(&ana.page, &bo.page).await
    })
    .await
}
