//! Fifty calls, and the server goes: killed, stopped, or cut off. No call ends, and within 30 s everybody is in it again.
//!
//! The people are real clients (`hutong_core`) on real sockets, and the server is the real program. Only media is pretended.

mod person;
mod relay;

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    time::Duration,
};

use futures_util::future::join_all;
use hutong_core::{CallPhase, Command};
use hutong_protocol::{MediaKind, UserState, limits};
use tokio::time::{Instant, timeout_at};

use crate::common::{program::Program, soon};
use person::{Person, Seen};
use relay::Relay;

const CALLS: usize = 50;

/// A port that is free, and that the system gives to no connection by itself: while the server is away, one of the clients that
/// look for it could otherwise be given the very port.
fn free_port() -> u16 {
    let first = 10_000 + (std::process::id() % 10_000) as u16;
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (first..first + 10_000).step_by(7).find(free).expect("a free port")
}

async fn start(address: SocketAddr, key: &Path) -> Program {
    let (address, key) = (address.to_string(), key.to_str().unwrap());
    Program::start(&["--listen", &address, "--ticket-key-file", key, "--drain-seconds", "2"]).await
}

/// Two by two in calls, over this address, and one who looks on, over that.
struct World {
    people: Vec<Person>,
    witness: Person,
}

impl World {
    async fn in_calls(address: SocketAddr, witness: SocketAddr) -> Self {
        let witness = Person::log_in("witness", 1_000, witness);
        let people: Vec<_> =
            (0..2 * CALLS).map(|number| Person::log_in(&format!("person {number}"), number as u64, address)).collect();
        for pair in people.chunks_exact(2) {
            let [caller, target] = pair else { unreachable!() };
            let name = target.name.clone();
            let to =
                caller.until(|seen| seen.view.users.values().find(|user| user.name == name).map(|user| user.token));
            let to = soon("the other to be online", to).await;
            caller.does(Command::Call { to, media: MediaKind::Video });
        }
        for target in people.iter().skip(1).step_by(2) {
            soon("the ring", target.is(|seen| seen.phase() == Some(CallPhase::Incoming))).await;
            target.does(Command::Accept { media: MediaKind::Video });
        }
        soon("all calls", join_all(people.iter().map(|person| person.is(Seen::is_in_call)))).await;
        let world = Self { people, witness };
        world.witness_sees_all_in_call().await;
        world
    }

    async fn witness_sees_all_in_call(&self) {
        let all = self
            .witness
            .is(|seen| seen.view.users.values().filter(|user| user.state == UserState::InCall).count() == 2 * CALLS);
        soon("the witness to see everybody in a call", all).await;
    }

    /// Waits until everybody has noticed that the server is away.
    async fn lose_it(&self) {
        let lost = join_all(self.people.iter().map(|person| person.is(|seen| seen.losses > 0)));
        soon("everybody to lose the server", lost).await;
    }

    /// Waits until everybody is back in their call, which never ended.
    async fn come_back(self, since: Instant) {
        let back = join_all(self.people.iter().map(|person| person.is(|seen| seen.losses > 0 && seen.is_in_call())));
        if timeout_at(since + limits::CLAIM, back).await.is_err() {
            let states: Vec<_> = self.people.iter().filter_map(Person::why_not_in_call).collect();
            panic!("after 30 s {} are not back: {states:#?}", states.len());
        }
        println!("everybody is back in their call after {:.1} s", since.elapsed().as_secs_f32());
        self.witness_sees_all_in_call().await;
        let ended = self.people.iter().filter(|person| person.has_ended_a_call()).count();
        assert_eq!(ended, 0, "calls ended");

        // The calls are whole: they can be hung up.
        self.people[0].does(Command::HangUp);
        for person in &self.people[..2] {
            let online =
                person.until(|seen| (seen.state() == UserState::Online && seen.phase().is_none()).then_some(()));
            soon("the call to be over", online).await;
        }
    }
}

#[tokio::test]
async fn a_killed_server_ends_no_call() {
    let key = tempfile::tempdir().unwrap();
    let key = key.path().join("key");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
    let first = start(address, &key).await;
    let world = World::in_calls(address, address).await;
    let since = Instant::now();
    first.signal("-KILL").await;
    first.ended().await;
    world.lose_it().await;
    let _second = start(address, &key).await;
    world.come_back(since).await;
}

#[tokio::test]
async fn a_stopped_server_ends_no_call() {
    let key = tempfile::tempdir().unwrap();
    let key = key.path().join("key");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port() + 1));
    let first = start(address, &key).await;
    let world = World::in_calls(address, address).await;
    let since = Instant::now();
    first.signal("-TERM").await;
    let (status, _) = first.ended().await;
    assert!(status.success(), "{status}");
    assert!(since.elapsed() >= Duration::from_secs(1), "they were not told one after the other");
    let _second = start(address, &key).await;
    world.come_back(since).await;
}

#[tokio::test]
async fn cut_sockets_end_no_call() {
    let program = Program::start(&[]).await;
    let relay = Relay::start(program.address).await;
    let world = World::in_calls(relay.address, program.address).await;
    let since = Instant::now();
    relay.cut();
    world.come_back(since).await;
}
