//! People in browsers and in the app, ready to call each other and be measured.

use std::rc::Rc;

use crate::{
    Desktop, Page, Profile, Result, Setup, World, anyhow,
    network::{Namespace, Network},
    voice::Voice,
};

/// What somebody uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Chromium.
    Chromium,
    /// The desktop app.
    App,
}

/// What somebody's microphone is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Microphone {
    /// The browser's own fake.
    Fake,
    /// A voice without pauses ([`crate::voice`]).
    Voice,
}

/// Somebody who is logged in.
#[derive(Clone, Debug)]
pub struct Person {
    /// What they see.
    pub page: Page,
    /// Their app, if they use one.
    pub app: Option<Rc<Desktop>>,
}

/// Two people on a server of the scenario's own, logged in and ready to be sampled: Ana, then Bo. With a network, Ana is at its left place
/// and Bo at its right one, and only their media goes over its link.
///
/// # Errors
///
/// When something does not start, or logging in fails.
pub async fn two(
    world: &mut World,
    with: [With; 2],
    microphone: Microphone,
    network: Option<&Network>,
) -> Result<[Person; 2]> {
    let (urls, places) = match network {
        Some(network) => {
            let (_, doors) = world.server_for(network).await?;
            let urls = [doors[0].url(), doors[1].url()];
            world.keep(doors);
            (urls, [Some(&network.left), Some(&network.right)])
        }
        None => {
            let server = world.server().await?;
            ([server.url(), server.url()], [None, None])
        }
    };
    let mut people = Vec::new();
    let voices = [("Ana", Voice::High), ("Bo", Voice::Low)];
    for (((name, voice), with), (url, place)) in voices.into_iter().zip(with).zip(urls.iter().zip(places)) {
        let person = one(world, name, with, url, place).await?;
        if microphone == Microphone::Voice {
            person.page.speak(voice).await?;
        }
        person.page.prepare_sampler().await?;
        people.push(person);
    }
    <[Person; 2]>::try_from(people).map_err(|_| anyhow!("two people"))
}

/// Somebody on this server, logged in.
///
/// # Errors
///
/// When something does not start, or logging in fails.
pub async fn one(
    world: &mut World,
    name: &str,
    with: With,
    url: &str,
    place: Option<&Rc<Namespace>>,
) -> Result<Person> {
    let (page, app) = match (with, place) {
        (With::Chromium, None) => (world.open(name, url).await?, None),
        (With::Chromium, Some(place)) => {
            let page = world.page_within(place, name, &Profile::default()).await?;
            page.open(url).await?;
            (page, None)
        }
        (With::App, place) => {
            let setup = Setup { namespace: place.cloned(), ..Setup::calling(url) };
            let app = world.desktop_with(name, &setup).await?;
            (app.page().clone(), Some(app))
        }
    };
    page.log_in(name).await?;
    Ok(Person { page, app })
}
