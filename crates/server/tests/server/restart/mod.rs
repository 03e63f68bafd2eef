//! Fifty calls survive a killed server, a stopped server, and cut connections: all users are back in their call within 30 s.
//!
//! The clients are real (`hutong_core`) and so are the sockets and the program. Only media is simulated.

mod relay;
mod restart_client;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use futures_util::future::join_all;
use hutong_core::{CallPhase, Command};
use hutong_protocol::{MediaKind, UserState, limits};
use tokio::time::{Instant, timeout_at};

use crate::common::{program::ServerProgram, with_timeout};
use relay::TcpRelay;
use restart_client::{ClientHistory, RestartClient};

const CALLS: usize = 50;

/// A free port below the ephemeral range. Otherwise a reconnecting client could get the port as its own source port while the
/// server is down.
pub fn free_port() -> u16 {
    let first = 10_000 + (std::process::id() % 10_000) as u16;
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (first..first + 10_000).step_by(7).find(free).expect("a free port")
}

/// Starts the program on this address with this ticket key file.
pub async fn start(address: SocketAddr, key: &Path) -> ServerProgram {
    let (address, key) = (address.to_string(), key.to_str().unwrap());
    ServerProgram::start(&["--listen", &address, "--ticket-key-file", key, "--drain-seconds", "2"]).await
}

/// How calls have survived.
pub struct Recovery {
    pub calls: usize,
    pub survived: usize,
    /// For each of these, how long it took until both sides were back.
    pub times: Vec<Duration>,
}

/// Pairs of users in calls, and an observer who only sees the roster.
pub struct RestartScenario {
    members: Vec<RestartClient>,
    observer: RestartClient,
}

impl RestartScenario {
    pub async fn in_calls(address: SocketAddr, observer: SocketAddr) -> Self {
        let observer = RestartClient::log_in("observer", 1_000, observer);
        let members: Vec<_> = (0..2 * CALLS)
            .map(|number| RestartClient::log_in(&format!("person {number}"), number as u64, address))
            .collect();
        for pair in members.chunks_exact(2) {
            let [caller, target] = pair else { unreachable!() };
            let name = target.name.clone();
            let to = caller
                .wait_for(|history| history.view.users.values().find(|user| user.name == name).map(|user| user.token));
            let to = with_timeout("other user to be online", to).await;
            caller.command(Command::Call { to, media: MediaKind::Video });
        }
        for target in members.iter().skip(1).step_by(2) {
            with_timeout("ring", target.wait_until(|history| history.phase() == Some(CallPhase::Incoming))).await;
            target.command(Command::Accept { media: MediaKind::Video });
        }
        with_timeout(
            "all calls to be set up",
            join_all(members.iter().map(|member| member.wait_until(ClientHistory::is_in_call))),
        )
        .await;
        let scenario = Self { members, observer };
        scenario.wait_until_observer_sees_all_in_call().await;
        scenario
    }

    async fn wait_until_observer_sees_all_in_call(&self) {
        let all = self.observer.wait_until(|history| {
            history.view.users.values().filter(|user| user.state == UserState::InCall).count() == 2 * CALLS
        });
        with_timeout("observer to see all users in calls", all).await;
    }

    /// Waits until all members have lost the server.
    pub async fn wait_until_lost(&self) {
        let lost = join_all(self.members.iter().map(|member| member.wait_until(|history| history.losses > 0)));
        with_timeout("all members to lose the server", lost).await;
    }

    /// Waits until all members are back in their call, or their time is over.
    pub async fn recover(&self, since: Instant) -> Recovery {
        let back = async |member: &RestartClient| {
            let back = member.wait_until(|history| history.losses > 0 && history.is_in_call());
            let is_back = timeout_at(since + limits::CLAIM_WINDOW, back).await.is_ok() && !member.has_ended_a_call();
            is_back.then(|| since.elapsed())
        };
        let times = join_all(self.members.iter().map(back)).await;
        let of_calls: Vec<_> =
            times.chunks_exact(2).filter_map(|pair| pair.iter().copied().collect::<Option<Vec<_>>>()).collect();
        let times: Vec<_> = of_calls.iter().filter_map(|pair| pair.iter().max().copied()).collect();
        Recovery { calls: CALLS, survived: times.len(), times }
    }

    /// Asserts that all members are back in their call in time, and that no call has ended.
    async fn assert_all_return(self, since: Instant) {
        let back = join_all(
            self.members.iter().map(|member| member.wait_until(|history| history.losses > 0 && history.is_in_call())),
        );
        if timeout_at(since + limits::CLAIM_WINDOW, back).await.is_err() {
            let problems: Vec<_> = self.members.iter().filter_map(RestartClient::problem).collect();
            panic!("{} members are not back in their call after 30 s: {problems:#?}", problems.len());
        }
        println!("all members are back in their call after {:.1} s", since.elapsed().as_secs_f32());
        self.wait_until_observer_sees_all_in_call().await;
        let ended = self.members.iter().filter(|member| member.has_ended_a_call()).count();
        assert_eq!(ended, 0, "no call has ended");

        // The calls still work: one can be hung up.
        self.members[0].command(Command::HangUp);
        for member in &self.members[..2] {
            let online = member
                .wait_for(|history| (history.state() == UserState::Online && history.phase().is_none()).then_some(()));
            with_timeout("end of the call", online).await;
        }
    }
}

#[tokio::test]
async fn calls_survive_a_killed_server() {
    let key = tempfile::tempdir().unwrap();
    let key = key.path().join("key");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let first = start(address, &key).await;
    let scenario = RestartScenario::in_calls(address, address).await;
    let since = Instant::now();
    first.signal("-KILL").await;
    first.wait().await;
    scenario.wait_until_lost().await;
    let _second = start(address, &key).await;
    scenario.assert_all_return(since).await;
}

#[tokio::test]
async fn calls_survive_a_stopped_server() {
    let key = tempfile::tempdir().unwrap();
    let key = key.path().join("key");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port() + 1));
    let first = start(address, &key).await;
    let scenario = RestartScenario::in_calls(address, address).await;
    let since = Instant::now();
    first.signal("-TERM").await;
    let (status, _) = first.wait().await;
    assert!(status.success(), "{status}");
    assert!(since.elapsed() >= Duration::from_secs(1), "the drain takes at least a second");
    let _second = start(address, &key).await;
    scenario.assert_all_return(since).await;
}

#[tokio::test]
async fn calls_survive_cut_connections() {
    let program = ServerProgram::start(&[]).await;
    let relay = TcpRelay::start(program.address).await;
    let scenario = RestartScenario::in_calls(relay.address, program.address).await;
    let since = Instant::now();
    relay.cut();
    scenario.assert_all_return(since).await;
}
