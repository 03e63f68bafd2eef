//! Calls that go on through an outage, another network interface, a restart of the server, and sleep. Signalling and media
//! cross the same network; the server is on its right side.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures_util::future::try_join;
use hutong_e2e::{
    AppOptions, Context, EmulatedNetwork, Result, ServerProcess, TestEnv, TestPage, TestResult,
    call_assertions::MEDIA_S,
    call_steps::{CallKind, call},
    clients::{ClientKind, LoggedInClient, log_in_over_network},
    ensure,
    network::{LinkConditions, LinkState, RIGHT_ADDRESS},
    page::UI_TIMEOUT,
    process,
    sampler::ExpectedMedia,
    scenario,
};
use tempfile::TempDir;

/// Seconds until media flows in both directions again, on two busy processors.
const RECOVERY_S: usize = 15;

/// Time until both are in the call for the server again. An attempt to connect may have begun just before.
const SIGNALLING_RECOVERY: Duration = Duration::from_secs(12);

/// Port of the server. Fixed, so that it can be restarted there; its namespace has no other.
const PORT: u16 = 8017;

/// Ana's role in the call: it decides which offer counts when two collide.
#[derive(Clone, Copy)]
enum AnaRole {
    Caller,
    Callee,
}

/// A call between Ana on the left and Bo on the right.
struct SurvivingCall {
    network: EmulatedNetwork,
    server: ServerProcess,
    ticket_key: TempDir,
    ana: LoggedInClient,
    bo: TestPage,
}

impl SurvivingCall {
    /// Ana calls, or is called.
    async fn start(env: &mut TestEnv, kind: ClientKind, role: AnaRole) -> Result<Self> {
        let network = EmulatedNetwork::new().await?;
        network.add_default_route().await?;
        let ticket_key = tempfile::tempdir()?;
        let server = start_server(env, &network, &ticket_key).await?;
        let ana = match kind {
            ClientKind::App => {
                let options = AppOptions::with_test_devices(&server.url()).in_namespace(&network.left);
                let app = env.start_app_with("Ana", &options).await?;
                app.page().log_in("Ana").await?;
                LoggedInClient { page: app.page().clone(), app: Some(app) }
            }
            ClientKind::Chromium | ClientKind::Firefox => {
                let page = log_in_over_network(env, &network.left, &server.url(), "Ana").await?;
                LoggedInClient { page, app: None }
            }
        };
        let bo = log_in_over_network(env, &network.right, &server.url(), "Bo").await?;
        for page in [&ana.page, &bo] {
            page.install_sampler().await?;
        }
        match role {
            AnaRole::Caller => call(&ana.page, &bo, CallKind::Video).await?,
            AnaRole::Callee => call(&bo, &ana.page, CallKind::Video).await?,
        }
        let this = Self { network, server, ticket_key, ana, bo };
        this.wait_for_media(MEDIA_S).await?;
        Ok(this)
    }

    /// Waits until both receive video and audio. Returns the seconds that either needed, one look a second.
    async fn wait_for_media(&self, seconds: usize) -> Result<[usize; 2]> {
        let expected = ExpectedMedia::VideoAndAudio;
        let (at_ana, at_bo) =
            try_join(self.ana.page.wait_for_media(expected, seconds), self.bo.wait_for_media(expected, seconds))
                .await?;
        Ok([at_ana.len(), at_bo.len()])
    }

    /// Checks that media flows again soon after a disturbance that has just ended, and that the server knows the call.
    async fn ensure_goes_on(&self, after: &str) -> Result<()> {
        let ended = Instant::now();
        let [at_ana, at_bo] =
            self.wait_for_media(RECOVERY_S).await.with_context(|| format!("media did not come back after {after}"))?;
        println!("{after}: media flows again within {at_ana} s at Ana's and {at_bo} s at Bo's side");
        for page in [&self.ana.page, &self.bo] {
            let limit = SIGNALLING_RECOVERY.saturating_sub(ended.elapsed()) + UI_TIMEOUT;
            page.wait_for_own_state("in_call", limit).await?;
            page.wait_until("the connection to be back", limit, r#"return !one("reconnecting")"#).await?;
            page.wait_for_phase("connected", UI_TIMEOUT).await?;
        }
        println!("{after}: all as before after {:.1} s", ended.elapsed().as_secs_f32());
        let has_notice: bool = self.bo.run(r#"return Boolean(one("notice"))"#).await?;
        ensure!(!has_notice, "Bo sees a notice although the call goes on");
        Ok(())
    }

    /// No packets in either direction.
    async fn interrupt_network(&self, duration: Duration) {
        self.network.link.set_both(LinkConditions { state: LinkState::Down, ..LinkConditions::default() });
        tokio::time::sleep(duration).await;
        self.network.link.set_both(LinkConditions::default());
    }

    async fn restart_server(&mut self, env: &mut TestEnv) -> Result<()> {
        self.server.kill().await?;
        self.server = start_server(env, &self.network, &self.ticket_key).await?;
        Ok(())
    }

    /// Stops all processes of Ana's client, as sleep does.
    async fn suspend_ana(&self, duration: Duration) -> Result<()> {
        let processes = match &self.ana.app {
            Some(app) => app.processes()?,
            None => self.ana.page.processes(),
        };
        ensure!(!processes.is_empty(), "Ana's client has exited");
        process::suspend(&processes)?;
        tokio::time::sleep(duration).await;
        process::resume(&processes)
    }

    /// Bo hangs up, which only works if the server attributes the call to both.
    async fn hang_up(&self) -> Result<()> {
        self.bo.press("hang-up").await?;
        for page in [&self.ana.page, &self.bo] {
            page.wait_for_own_state("online", UI_TIMEOUT).await?;
        }
        Ok(())
    }
}

async fn start_server(env: &mut TestEnv, network: &EmulatedNetwork, key: &TempDir) -> Result<ServerProcess> {
    let key = key.path().join("ticket-key");
    let options = ["--ticket-key-file", key.to_str().context("a path in UTF-8")?];
    let listen = SocketAddr::from((RIGHT_ADDRESS, PORT)).to_string();
    env.start_server_in(&network.right, &listen, &options).await
}

async fn check_outage_and_move(name: &str, kind: ClientKind) -> TestResult {
    scenario(name, async |env| {
        let mut call = SurvivingCall::start(env, kind, AnaRole::Callee).await?;
        call.interrupt_network(Duration::from_secs(10)).await;
        call.ensure_goes_on("10 s without a network").await?;
        call.network.move_left().await?;
        call.ensure_goes_on("another network interface").await?;
        call.hang_up().await
    })
    .await
}

async fn check_restart_and_sleep(name: &str, kind: ClientKind) -> TestResult {
    scenario(name, async |env| {
        let mut call = SurvivingCall::start(env, kind, AnaRole::Caller).await?;
        call.restart_server(env).await?;
        call.ensure_goes_on("a restart of the server").await?;
        call.suspend_ana(Duration::from_secs(20)).await?;
        call.ensure_goes_on("20 s of sleep").await?;
        call.hang_up().await
    })
    .await
}

#[tokio::test]
async fn a_call_in_chromium_survives_an_outage_and_another_interface() -> TestResult {
    check_outage_and_move("survival_chromium", ClientKind::Chromium).await
}

#[tokio::test]
async fn a_native_call_survives_an_outage_and_another_interface() -> TestResult {
    check_outage_and_move("survival_native", ClientKind::App).await
}

#[tokio::test]
async fn a_call_in_chromium_survives_a_restart_of_the_server_and_sleep() -> TestResult {
    check_restart_and_sleep("survival_chromium_sleep", ClientKind::Chromium).await
}

#[tokio::test]
async fn a_native_call_survives_a_restart_of_the_server_and_sleep() -> TestResult {
    check_restart_and_sleep("survival_native_sleep", ClientKind::App).await
}
