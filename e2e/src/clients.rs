//! Logged-in clients, in Chromium and in the app, ready to call each other and to be measured.

use std::rc::Rc;

use crate::{
    AppOptions, BrowserOptions, DesktopApp, Result, TestEnv, TestPage, WindowPlacement, anyhow,
    network::{EmulatedNetwork, Namespace},
    synthetic_media::SyntheticVoice,
};

/// Which client a person uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientKind {
    /// Chromium.
    Chromium,
    /// Firefox.
    Firefox,
    /// The desktop app.
    App,
}

/// Source of a client's microphone track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MicrophoneSource {
    /// The browser's fake device.
    Fake,
    /// A synthetic voice without pauses ([`crate::synthetic_media`]).
    SyntheticVoice,
}

/// A logged-in client.
#[derive(Clone, Debug)]
pub struct LoggedInClient {
    /// The client's page.
    pub page: TestPage,
    /// The app, for [`ClientKind::App`].
    pub app: Option<Rc<DesktopApp>>,
}

/// Logs Ana and Bo in on a new server, each with the sampler installed. With a network, Ana is in its left namespace
/// and Bo in its right one, and only their media goes over the link.
///
/// # Errors
///
/// Returns an error when something does not start, or logging in fails.
pub async fn log_in_pair(
    env: &mut TestEnv,
    kinds: [ClientKind; 2],
    microphone: MicrophoneSource,
    network: Option<&EmulatedNetwork>,
) -> Result<[LoggedInClient; 2]> {
    let (urls, namespaces) = match network {
        Some(network) => {
            let (_, proxies) = env.start_server_reachable_from(network).await?;
            let urls = [proxies[0].url(), proxies[1].url()];
            env.keep_alive(proxies);
            (urls, [Some(&network.left), Some(&network.right)])
        }
        None => {
            let server = env.start_server().await?;
            ([server.url(), server.url()], [None, None])
        }
    };
    let mut clients = Vec::new();
    let voices = [("Ana", SyntheticVoice::High), ("Bo", SyntheticVoice::Low)];
    for (((name, voice), kind), (url, namespace)) in voices.into_iter().zip(kinds).zip(urls.iter().zip(namespaces)) {
        let client = log_in_client(env, name, kind, url, namespace).await?;
        if microphone == MicrophoneSource::SyntheticVoice {
            client.page.use_synthetic_voice(voice).await?;
        }
        client.page.install_sampler().await?;
        clients.push(client);
    }
    <[LoggedInClient; 2]>::try_from(clients).map_err(|_| anyhow!("two clients"))
}

/// Logs one client in on this server.
///
/// # Errors
///
/// Returns an error when something does not start, or logging in fails.
pub async fn log_in_client(
    env: &mut TestEnv,
    name: &str,
    kind: ClientKind,
    url: &str,
    namespace: Option<&Rc<Namespace>>,
) -> Result<LoggedInClient> {
    let (page, app) = match (kind, namespace) {
        (ClientKind::Chromium, None) => (env.open_page(name, url).await?, None),
        (ClientKind::Chromium, Some(namespace)) => {
            let page = env.new_page_in(namespace, name, &BrowserOptions::default()).await?;
            page.open(url).await?;
            (page, None)
        }
        (ClientKind::Firefox, namespace) => {
            let page = env.new_firefox_page(name, namespace.map(Rc::as_ref), WindowPlacement::Headless).await?;
            page.open(url).await?;
            (page, None)
        }
        (ClientKind::App, namespace) => {
            let options = AppOptions { namespace: namespace.cloned(), ..AppOptions::with_test_devices(url) };
            let app = env.start_app_with(name, &options).await?;
            (app.page().clone(), Some(app))
        }
    };
    page.log_in(name).await?;
    Ok(LoggedInClient { page, app })
}

/// Logs in from Chromium in this namespace, on a server beyond loopback.
///
/// # Errors
///
/// Returns an error when the browser does not start, or logging in fails.
pub async fn log_in_over_network(env: &mut TestEnv, side: &Namespace, url: &str, name: &str) -> Result<TestPage> {
    // The address is neither loopback nor https, but calls need a secure context.
    let args = vec![format!("--unsafely-treat-insecure-origin-as-secure={url}")];
    let page = env.new_page_in(side, name, &BrowserOptions { args, ..BrowserOptions::default() }).await?;
    page.open(url).await?;
    page.log_in(name).await?;
    Ok(page)
}
