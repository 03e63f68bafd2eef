//! The desktop app over bad networks, in a call with Chromium.

use std::time::Duration;

use hutong_e2e::{
    Network, Outcome, Result, World,
    call_assertions::{MEDIA_S, Media, media_flows, recovers, settles},
    call_quality::{Bounds, recovers_within, stays_within},
    ensure,
    network::{Conditions, Direction},
    people::{Microphone, Person, With, two},
    sampler::Arrival,
    scenario,
    steps::{self, call, connected},
};

/// What Ana's camera shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Camera {
    /// WebKit's test picture, which is plain.
    Fake,
    /// As much as there is room for.
    Noise,
}

/// Ana in the app calls Bo in Chromium, over a network that is good so far.
async fn in_a_call(world: &mut World, network: &Network, camera: Camera) -> Result<[Person; 2]> {
    let people = two(world, [With::App, With::Chromium], Microphone::Voice, Some(network)).await?;
    if camera == Camera::Noise {
        people[0].page.flicker().await?;
    }
    call(&people[0].page, &people[1].page, steps::With::Video).await?;
    Ok(people)
}

/// A narrow link, in bit/s: narrower than what a debug build of the app sends on processors of its own.
const NARROW: u32 = 300_000;

/// A link with room for audio and little else, in bit/s.
const AUDIO_ONLY: u32 = 100_000;

/// Seconds without a link.
const OUTAGE_S: usize = 8;

fn lossy() -> Conditions {
    Conditions { loss: 0.03, delay: Duration::from_millis(50), ..Conditions::default() }
}

/// Whether the link lost so many packets that the call has felt it.
fn ensure_lossy(network: &Network) -> Result<()> {
    for direction in [Direction::Right, Direction::Left] {
        let counters = network.link.counters(direction);
        ensure!(counters.lost > 10, "hardly anything was lost: {counters:?}");
    }
    Ok(())
}

#[tokio::test]
async fn picture_and_voice_flow_where_packets_are_lost() -> Outcome {
    scenario("native_losses", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        network.link.set_both(lossy());
        media_flows(&ana.page, &bo.page, Media::VideoAndAudio).await?;
        ensure_lossy(&network)
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute"]
async fn the_picture_stands_and_the_voice_goes_on_where_packets_are_lost() -> Outcome {
    scenario("native_losses_well", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        network.link.set_both(lossy());
        let pages = [&bo.page, &ana.page];
        stays_within(pages, Media::VideoAndAudio, Duration::from_secs(20), Bounds::APP_BAD).await?;
        ensure_lossy(&network)
    })
    .await
}

#[tokio::test]
async fn picture_and_voice_come_back_after_a_break() -> Outcome {
    scenario("native_break", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        recovers(&network, &ana.page, &bo.page, OUTAGE_S).await
    })
    .await
}

#[tokio::test]
#[ignore = "quality: a minute"]
async fn picture_and_voice_come_back_soon_after_a_break() -> Outcome {
    scenario("native_break_well", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        let outage = Duration::from_secs(OUTAGE_S as u64);
        let pages = [&bo.page, &ana.page];
        recovers_within(&network, pages, outage, Duration::from_secs(6), Bounds::APP_BAD).await
    })
    .await
}

#[tokio::test]
async fn audio_flows_over_a_narrow_link() -> Outcome {
    scenario("native_narrow", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        network.link.set(Direction::Right, Conditions { rate: Some(AUDIO_ONLY), ..Conditions::default() });
        media_flows(&ana.page, &bo.page, Media::Audio).await?;
        connected(&ana.page, &bo.page).await
    })
    .await
}

/// Needs processors of its own: an app that others slow down offers no more than the narrow link carries.
#[tokio::test]
#[ignore = "quality: half a minute"]
async fn the_encoder_fits_itself_to_a_narrow_link() -> Outcome {
    scenario("native_narrow_well", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Noise).await?;
        for page in [&ana.page, &bo.page] {
            page.until_arrival(Arrival::VideoAndAudio, MEDIA_S).await?;
        }
        settles(&network, Direction::Right, NARROW, Duration::from_secs(5)).await?;
        connected(&ana.page, &bo.page).await
    })
    .await
}
