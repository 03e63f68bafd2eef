//! The desktop app over bad networks, in a call with Chromium.

use std::time::Duration;

use hutong_e2e::{
    Network, Outcome, Result, World, ensure,
    network::{Conditions, Direction},
    people::{Microphone, Person, With, two},
    scenario,
    steps::{self, MEDIA, call, connected},
    trials::{Bounds, Watched, comes_back, goes_on, settles},
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

#[tokio::test]
async fn the_picture_stands_and_the_voice_goes_on_where_packets_are_lost() -> Outcome {
    scenario("native_losses", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        let bad = Conditions { loss: 0.03, delay: Duration::from_millis(50), ..Conditions::default() };
        network.link.set_both(bad);
        goes_on(&ana.page, &bo.page, Watched::All, Duration::from_secs(20), Bounds::BAD).await?;
        for direction in [Direction::Right, Direction::Left] {
            let counters = network.link.counters(direction);
            ensure!(counters.lost > 10, "hardly anything was lost: {counters:?}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn picture_and_voice_come_back_after_a_break() -> Outcome {
    scenario("native_break", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Fake).await?;
        comes_back(&network, &ana.page, &bo.page, Duration::from_secs(8), Duration::from_secs(3)).await
    })
    .await
}

#[tokio::test]
async fn the_encoder_fits_itself_to_a_narrow_link() -> Outcome {
    scenario("native_narrow", async |world| {
        let network = Network::new().await?;
        let [ana, bo] = in_a_call(world, &network, Camera::Noise).await?;
        for page in [&ana.page, &bo.page] {
            page.sees_and_hears(MEDIA).await?;
        }
        settles(&network, Direction::Right, 500_000, Duration::from_secs(5)).await?;
        connected(&ana.page, &bo.page).await
    })
    .await
}
