//! Calls between home networks behind NATs and firewalls, Chromium with Chromium and with the app: whether they connect directly
//! or through the server's relay, and how fast. The results are the table in docs/NETWORKS.md.

use std::{fs, net::SocketAddr, rc::Rc, time::Duration};

use hutong_e2e::{
    AppOptions, BrowserOptions, Result, ServerProcess, TestEnv, TestPage, TestResult,
    call_assertions::{CallMedia, ensure_media_flows},
    call_path::{CallPath, call_and_answer, ensure_path},
    call_steps::wait_until_released,
    coturn::Coturn,
    ensure,
    network::{
        Authority, EmulatedInternet, HomeConfig, HomeNetwork, LEFT_PRIVATE, LinkConditions, Namespace, NatBehaviour,
        OutboundPolicy, RIGHT_PRIVATE, SERVER_IPV4, SERVER_IPV6, Uplink,
    },
    network_report::{ClientPair, NetworkRecord},
    page::UI_TIMEOUT,
    scenario,
    synthetic_media::SyntheticVoice,
};

/// Time from the answer until media flows or the call fails (`hutong_protocol::limits::MEDIA_TIMEOUT`).
const MEDIA_DEADLINE: Duration = Duration::from_secs(18);

/// Port of the server where all ports are open.
const PORT: u16 = 8017;

/// How the server is set up.
#[derive(Clone, Copy)]
enum ServerSetup {
    /// With a self-signed certificate.
    SelfSigned,
    /// With a certificate from an authority that all programs trust.
    Certified,
    /// With a self-signed certificate and no relay of its own, but coturn over this protocol with a shared secret.
    Coturn(&'static str),
}

/// The secret that the server shares with coturn.
const COTURN_SECRET: &str = "the-shared-secret-of-an-end-to-end-test";

/// Two home networks, and how people in them are expected to connect.
struct Case {
    /// Position in the table.
    row: u32,
    scenario: &'static str,
    networks: &'static str,
    left: HomeConfig,
    right: HomeConfig,
    expected: CallPath,
    /// Whether a direct path of the app is not asserted. Its WebRTC library keeps the first pair that the other side nominates, which
    /// is the relayed one where checks on an interface without answers delay those of the direct pair.
    app_may_be_relayed: bool,
    server: ServerSetup,
    /// The path in the left person's call details, where only one is possible.
    left_shows: Option<&'static str>,
    /// Of the left network's link, during the calls.
    conditions: LinkConditions,
}

impl Case {
    fn new(
        row: u32,
        scenario: &'static str,
        networks: &'static str,
        homes: [HomeConfig; 2],
        expected: CallPath,
    ) -> Self {
        let [left, right] = homes;
        let (server, conditions) = (ServerSetup::SelfSigned, LinkConditions::default());
        Self {
            row,
            scenario,
            networks,
            left,
            right,
            expected,
            app_may_be_relayed: false,
            server,
            left_shows: None,
            conditions,
        }
    }

    /// On the left, everything but TCP is blocked. The server's certificate is self-signed, so TLS is not offered.
    fn over_tcp(self) -> Self {
        Self { left_shows: Some("Relayed, over TCP"), ..self }
    }

    /// As [`over_tcp`](Self::over_tcp), with TLS.
    fn over_tls(self) -> Self {
        Self { server: ServerSetup::Certified, left_shows: Some("Relayed, over TLS"), ..self }
    }

    fn with_coturn(self, transport: &'static str) -> Self {
        Self { server: ServerSetup::Coturn(transport), ..self }
    }

    fn nats(
        row: u32,
        scenario: &'static str,
        networks: &'static str,
        nats: [NatBehaviour; 2],
        expected: CallPath,
    ) -> Self {
        let [left, right] = nats;
        Self::new(row, scenario, networks, [left_behind(left), right_behind(right)], expected)
    }

    /// Port of the server.
    fn port(&self) -> u16 {
        if [self.left, self.right].iter().any(|home| home.policy == OutboundPolicy::OnlyTcp443) { 443 } else { PORT }
    }
}

const fn left_behind(nat: NatBehaviour) -> HomeConfig {
    HomeConfig::new(Uplink::Ipv4 { private: LEFT_PRIVATE, nat })
}

const fn right_behind(nat: NatBehaviour) -> HomeConfig {
    HomeConfig::new(Uplink::Ipv4 { private: RIGHT_PRIVATE, nat })
}

const fn with_policy(home: HomeConfig, policy: OutboundPolicy) -> HomeConfig {
    HomeConfig { policy, ..home }
}

/// The running server, and how clients authenticate it.
enum Server {
    /// Its certificate is self-signed: browsers warn, and the app is invited with its key.
    SelfSigned(ServerProcess),
    /// Its certificate is from an authority that all programs trust.
    Certified(ServerProcess, Rc<Authority>),
}

impl Server {
    async fn start_self_signed(
        env: &mut TestEnv,
        public: &Namespace,
        port: u16,
        options: &[[&str; 2]],
    ) -> Result<Self> {
        let certificates = tempfile::tempdir()?;
        let folder = certificates.path().to_string_lossy();
        let second_listener = format!("[{SERVER_IPV6}]:{port}");
        let all = [&[["--listen", &second_listener], ["--self-signed", &folder]], options].concat();
        let server = env.start_server_in(public, &format!("{SERVER_IPV4}:{port}"), all.as_flattened()).await?;
        env.keep_alive(certificates);
        Ok(Self::SelfSigned(server))
    }

    async fn start_with_coturn(env: &mut TestEnv, public: &Namespace, port: u16, transport: &str) -> Result<Self> {
        let address = SocketAddr::from((SERVER_IPV4, 3_478));
        env.keep_alive(Coturn::start_in(public, address, COTURN_SECRET).await?);
        let folder = tempfile::tempdir()?;
        let secret_file = folder.path().join("turn-secret");
        fs::write(&secret_file, COTURN_SECRET)?;
        let (secret_file, ice_server) =
            (secret_file.to_string_lossy(), format!("turn:{address}?transport={transport}"));
        let options = [["--turn", "off"], ["--ice-server", &ice_server], ["--turn-secret-file", &secret_file]];
        Self::start_self_signed(env, public, port, &options).await
    }

    async fn start_certified(env: &mut TestEnv, internet: &EmulatedInternet, port: u16) -> Result<Self> {
        let authority = Rc::new(Authority::new("hutong.test", &[SERVER_IPV4.into(), SERVER_IPV6.into()]).await?);
        for home in [&internet.left, &internet.right] {
            home.namespace.trust(&authority)?;
        }
        let (certificate, key) = (authority.certificate_file(), authority.key_file());
        let options = ["--tls-cert", &certificate.to_string_lossy(), "--tls-key", &key.to_string_lossy()];
        let server = env.start_server_in(&internet.public, &format!("{SERVER_IPV4}:{port}"), &options).await?;
        Ok(Self::Certified(server, authority))
    }

    /// Its URL for a home network.
    fn url(&self, home: &HomeNetwork) -> String {
        match self {
            Self::SelfSigned(server) => format!("https://{}", home.config.server_address(server.address().port())),
            Self::Certified(server, authority) => format!("https://{}:{}", authority.host(), server.address().port()),
        }
    }

    /// Its URL with its key if it needs one: the app uses no server on the internet that it cannot authenticate.
    async fn invitation(&self, home: &HomeNetwork) -> Result<String> {
        let url = self.url(home);
        let Self::SelfSigned(server) = self else { return Ok(url) };
        let find = |line: &str| Some(line.split_once("/#key=")?.1.split_whitespace().next()?.to_owned());
        let key: String = server.log().wait_for_line(0, UI_TIMEOUT, find).await?;
        Ok(format!("{url}/#key={key}"))
    }

    fn browser_options(&self) -> BrowserOptions {
        let args = match self {
            Self::SelfSigned(_) => vec!["--ignore-certificate-errors".to_owned()],
            Self::Certified(..) => Vec::new(),
        };
        BrowserOptions { args, ..BrowserOptions::default() }
    }
}

/// The networks with people logged in: Bo is on the right, in Chromium.
struct Call<'a> {
    env: &'a mut TestEnv,
    internet: EmulatedInternet,
    server: Server,
    bo: TestPage,
}

impl<'a> Call<'a> {
    async fn start(env: &'a mut TestEnv, case: &Case) -> Result<Self> {
        let internet = EmulatedInternet::new(case.left, case.right).await?;
        let (public, port) = (&internet.public, case.port());
        let server = match case.server {
            ServerSetup::SelfSigned => Server::start_self_signed(env, public, port, &[]).await?,
            ServerSetup::Certified => Server::start_certified(env, &internet, port).await?,
            ServerSetup::Coturn(transport) => Server::start_with_coturn(env, public, port, transport).await?,
        };
        let bo = log_in_chromium(env, &internet.right, &server, "Bo", SyntheticVoice::Low).await?;
        Ok(Self { env, internet, server, bo })
    }

    /// Logs a person in on the left.
    async fn log_in_caller(&mut self, clients: ClientPair) -> Result<TestPage> {
        let (left, server) = (&self.internet.left, &self.server);
        match clients {
            ClientPair::Chromium => log_in_chromium(self.env, left, server, "Ana", SyntheticVoice::High).await,
            ClientPair::App => {
                let options = AppOptions::with_test_devices(&server.invitation(left).await?);
                let options = options.in_namespace(&left.namespace);
                let app = self.env.start_app_with("Cem", &options).await?;
                app.page().log_in("Cem").await?;
                app.page().use_synthetic_voice(SyntheticVoice::High).await?;
                app.page().install_sampler().await?;
                Ok(app.page().clone())
            }
        }
    }

    /// A first call, which takes longer in a program that has just started.
    async fn warm_up(&self, caller: &TestPage) -> Result<()> {
        call_and_answer(caller, &self.bo, MEDIA_DEADLINE).await?;
        self.hang_up(caller).await
    }

    /// Calls Bo, who answers, and checks that media flows as expected.
    async fn connect(&self, case: &Case, clients: ClientPair, caller: &TestPage) -> Result<()> {
        let set_up = call_and_answer(caller, &self.bo, MEDIA_DEADLINE).await?;
        ensure_media_flows(caller, &self.bo, CallMedia::VideoAndAudio).await?;
        let relays = [SERVER_IPV4.to_string(), SERVER_IPV6.to_string()];
        let expected = match clients {
            ClientPair::App if case.app_may_be_relayed => None,
            ClientPair::App | ClientPair::Chromium => Some(case.expected),
        };
        let shown_paths = ensure_path(caller, &self.bo, expected, &relays).await?;
        let is_expected = match case.left_shows {
            Some(only) => shown_paths[0] == only,
            // UDP is not blocked, so nothing has to go over a stream.
            None => !shown_paths.concat().contains("over T"),
        };
        ensure!(is_expected, "the details of the call show {shown_paths:?}");
        NetworkRecord {
            row: case.row,
            networks: case.networks.to_owned(),
            clients,
            shown_paths,
            set_up_ms: set_up.as_millis() as u64,
        }
        .save()
    }

    async fn hang_up(&self, caller: &TestPage) -> Result<()> {
        self.bo.press("hang-up").await?;
        wait_until_released(caller, &self.bo).await
    }
}

async fn log_in_chromium(
    env: &mut TestEnv,
    home: &HomeNetwork,
    server: &Server,
    name: &str,
    voice: SyntheticVoice,
) -> Result<TestPage> {
    let page = env.new_page_in(&home.namespace, name, &server.browser_options()).await?;
    page.open(&server.url(home)).await?;
    page.log_in(name).await?;
    page.use_synthetic_voice(voice).await?;
    page.install_sampler().await?;
    Ok(page)
}

/// A call of each pair of clients over these networks.
async fn check(case: Case) -> TestResult {
    scenario(case.scenario, async |env| {
        let mut call = Call::start(env, &case).await?;
        for clients in [ClientPair::Chromium, ClientPair::App] {
            let caller = call.log_in_caller(clients).await?;
            call.warm_up(&caller).await?;
            call.internet.left.link.set_both(case.conditions);
            call.connect(&case, clients, &caller).await?;
            call.hang_up(&caller).await?;
            call.internet.left.link.set_both(LinkConditions::default());
            caller.close_browser().await;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn two_symmetric_nats_connect_through_the_relay() -> TestResult {
    let nats = [NatBehaviour::SYMMETRIC; 2];
    check(Case::nats(10, "reach_symmetric", "symmetric, symmetric", nats, CallPath::Relayed)).await
}

#[tokio::test]
async fn a_network_without_udp_connects_through_the_relay() -> TestResult {
    let left = with_policy(left_behind(NatBehaviour::PORT_RESTRICTED), OutboundPolicy::NoUdp);
    let homes = [left, right_behind(NatBehaviour::PORT_RESTRICTED)];
    check(Case::new(11, "reach_no_udp", "UDP blocked, port-restricted", homes, CallPath::Relayed).over_tcp()).await
}

#[tokio::test]
async fn an_ipv6_network_connects_with_an_ipv4_network_through_the_relay() -> TestResult {
    let homes = [HomeConfig::new(Uplink::Ipv6), right_behind(NatBehaviour::PORT_RESTRICTED)];
    check(Case::new(15, "reach_ipv6_ipv4", "IPv6 only, IPv4 only", homes, CallPath::Relayed)).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn two_networks_without_udp_connect_through_the_relay() -> TestResult {
    let homes = [left_behind(NatBehaviour::PORT_RESTRICTED), right_behind(NatBehaviour::PORT_RESTRICTED)]
        .map(|home| with_policy(home, OutboundPolicy::NoUdp));
    check(Case::new(12, "reach_no_udp_twice", "UDP blocked, UDP blocked", homes, CallPath::Relayed).over_tcp()).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn networks_that_allow_only_tcp_port_443_connect_through_the_relay() -> TestResult {
    let homes = [left_behind(NatBehaviour::PORT_RESTRICTED), right_behind(NatBehaviour::PORT_RESTRICTED)]
        .map(|home| with_policy(home, OutboundPolicy::OnlyTcp443));
    let name = "only TCP port 443, only TCP port 443";
    check(Case::new(13, "reach_only_443", name, homes, CallPath::Relayed).over_tcp()).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn networks_that_allow_only_tcp_port_443_connect_through_the_relay_over_tls() -> TestResult {
    let homes = [left_behind(NatBehaviour::PORT_RESTRICTED), right_behind(NatBehaviour::PORT_RESTRICTED)]
        .map(|home| with_policy(home, OutboundPolicy::OnlyTcp443));
    let name = "the same, the server with a certificate from an authority";
    check(Case::new(14, "reach_only_443_tls", name, homes, CallPath::Relayed).over_tls()).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn two_ipv6_networks_connect_directly() -> TestResult {
    let homes = [HomeConfig::new(Uplink::Ipv6); 2];
    check(Case::new(16, "reach_ipv6", "IPv6 only, IPv6 only", homes, CallPath::Direct)).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn networks_with_the_same_private_addresses_connect_directly() -> TestResult {
    let homes = [left_behind(NatBehaviour::PORT_RESTRICTED); 2];
    let name = "port-restricted, port-restricted with the same private addresses";
    check(Case::new(17, "reach_same_addresses", name, homes, CallPath::Direct)).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn a_slow_and_lossy_network_connects_directly() -> TestResult {
    let nats = [NatBehaviour::PORT_RESTRICTED; 2];
    let name = "port-restricted, port-restricted with 5 % loss, 150 ms, 500 kbit/s";
    let mut case = Case::nats(18, "reach_lossy", name, nats, CallPath::Direct);
    case.conditions = LinkConditions {
        loss: 0.05,
        delay: Duration::from_millis(150),
        bit_rate: Some(500_000),
        ..LinkConditions::default()
    };
    check(case).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn two_symmetric_nats_connect_through_coturn() -> TestResult {
    let (nats, name) =
        ([NatBehaviour::SYMMETRIC; 2], "symmetric, symmetric; coturn in place of the server's own relay");
    check(Case::nats(22, "reach_coturn", name, nats, CallPath::Relayed).with_coturn("udp")).await
}

#[tokio::test]
#[ignore = "other networks: half a minute"]
async fn a_network_without_udp_connects_through_coturn() -> TestResult {
    let left = with_policy(left_behind(NatBehaviour::PORT_RESTRICTED), OutboundPolicy::NoUdp);
    let (homes, name) =
        ([left, right_behind(NatBehaviour::PORT_RESTRICTED)], "UDP blocked, port-restricted; coturn over TCP");
    let case = Case::new(23, "reach_coturn_tcp", name, homes, CallPath::Relayed);
    check(case.over_tcp().with_coturn("tcp")).await
}

#[tokio::test]
#[ignore = "other networks: a minute"]
async fn a_call_goes_on_when_a_vpn_interface_comes_and_goes() -> TestResult {
    let nats = [NatBehaviour::PORT_RESTRICTED; 2];
    let name = "port-restricted with a VPN interface, port-restricted";
    let mut case = Case::nats(19, "reach_vpn", name, nats, CallPath::Direct);
    case.app_may_be_relayed = true;
    scenario(case.scenario, async |env| {
        let mut call = Call::start(env, &case).await?;
        for clients in [ClientPair::Chromium, ClientPair::App] {
            let caller = call.log_in_caller(clients).await?;
            call.warm_up(&caller).await?;
            let vpn = call.internet.left.open_vpn().await?;
            call.connect(&case, clients, &caller).await?;
            drop(vpn);
            ensure_media_flows(&caller, &call.bo, CallMedia::VideoAndAudio).await?;
            let vpn = call.internet.left.open_vpn().await?;
            ensure_media_flows(&caller, &call.bo, CallMedia::VideoAndAudio).await?;
            call.hang_up(&caller).await?;
            drop(vpn);
            caller.close_browser().await;
        }
        Ok(())
    })
    .await
}

/// Full cone, restricted, port-restricted: all pairs.
macro_rules! nat_pairs {
    ($($test:ident: $row:literal $name:literal $one:ident $other:ident $path:ident)*) => {$(
        #[tokio::test]
        #[ignore = "every pair of NATs: half a minute"]
        async fn $test() -> TestResult {
            let nats = [NatBehaviour::$one, NatBehaviour::$other];
            check(Case::nats($row, concat!("reach_", stringify!($test)), $name, nats, CallPath::$path)).await
        }
    )*};
}

nat_pairs! {
    full_cone_with_full_cone: 1 "full cone, full cone" FULL_CONE FULL_CONE Direct
    full_cone_with_restricted: 2 "full cone, restricted" FULL_CONE RESTRICTED Direct
    full_cone_with_port_restricted: 3 "full cone, port-restricted" FULL_CONE PORT_RESTRICTED Direct
    full_cone_with_symmetric: 4 "full cone, symmetric" FULL_CONE SYMMETRIC Direct
    restricted_with_restricted: 5 "restricted, restricted" RESTRICTED RESTRICTED Direct
    restricted_with_port_restricted: 6 "restricted, port-restricted" RESTRICTED PORT_RESTRICTED Direct
    restricted_with_symmetric: 7 "restricted, symmetric" RESTRICTED SYMMETRIC Direct
    port_restricted_with_port_restricted: 8 "port-restricted, port-restricted" PORT_RESTRICTED PORT_RESTRICTED Direct
    port_restricted_with_symmetric: 9 "port-restricted, symmetric" PORT_RESTRICTED SYMMETRIC Relayed
}
