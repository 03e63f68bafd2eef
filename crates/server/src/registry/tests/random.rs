//! Random orders, losses and crossings through real clients and the registry: whatever happens, all agree in the end, and
//! nobody stays busy.

use std::time::Duration;

use hutong_core::{CallPhase, Command, Input, MediaProblem, Session};
use hutong_protocol::{CancelReason, ClientMessage, MediaKind, UserState};
use proptest::prelude::*;

use super::world::World;

const PEOPLE: usize = 3;

#[derive(Clone, Debug)]
enum Act {
    Call(usize, usize),
    Accept(usize, MediaKind),
    Decline(usize),
    HangUp(usize),
    ToServer(usize),
    ToClient(usize),
    Report(usize),
    Cut(usize),
    CutOff(usize, bool),
    Refuse(usize, bool),
    DeadMedia,
    Reload(usize),
    InterfaceReload(usize),
    LogOut(usize),
    LogIn(usize),
    Pass(u64),
    Everything,
    RestartServer,
}

fn act() -> impl Strategy<Value = Act> {
    let who = 0..PEOPLE;
    prop_oneof![
        6 => (who.clone(), 0..PEOPLE).prop_map(|(who, whom)| Act::Call(who, whom)),
        6 => (who.clone(), any::<bool>())
            .prop_map(|(who, video)| Act::Accept(who, if video { MediaKind::Video } else { MediaKind::Voice })),
        1 => who.clone().prop_map(Act::Decline),
        2 => who.clone().prop_map(Act::HangUp),
        14 => who.clone().prop_map(Act::ToServer),
        14 => who.clone().prop_map(Act::ToClient),
        10 => who.clone().prop_map(Act::Report),
        3 => who.clone().prop_map(Act::Cut),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, off)| Act::CutOff(who, off)),
        1 => (who.clone(), any::<bool>()).prop_map(|(who, refuse)| Act::Refuse(who, refuse)),
        1 => Just(Act::DeadMedia),
        1 => who.clone().prop_map(Act::Reload),
        1 => who.clone().prop_map(Act::InterfaceReload),
        1 => who.clone().prop_map(Act::LogOut),
        2 => who.prop_map(Act::LogIn),
        4 => (0_u64..20_000).prop_map(Act::Pass),
        4 => Just(Act::Everything),
        1 => Just(Act::RestartServer),
    ]
}

fn do_it(world: &mut World, act: Act) {
    match act {
        Act::Call(who, whom) => world.calls(who, whom),
        Act::Accept(who, media) => world.command(who, Command::Accept { media }),
        Act::Decline(who) => world.command(who, Command::Decline),
        Act::HangUp(who) => world.command(who, Command::HangUp),
        Act::ToServer(who) => {
            world.deliver_to_server(who);
        }
        Act::ToClient(who) => {
            world.deliver_to_client(who);
        }
        Act::Report(who) => {
            world.report(who);
        }
        Act::Cut(who) => world.cut(who),
        Act::CutOff(who, off) => world.people[who].cut_off = off,
        Act::Refuse(who, refuse) => {
            world.people[who].refuses = refuse.then_some(MediaProblem::CameraDenied);
        }
        Act::DeadMedia => world.notice_dead_media(),
        Act::Reload(who) => world.reload(who),
        Act::InterfaceReload(who) => {
            world.people[who].engine = Default::default();
            world.input(who, Input::InterfaceReloaded);
        }
        Act::LogOut(who) => world.command(who, Command::LogOut),
        Act::LogIn(who) => world.command(who, Command::LogIn { name: format!("person {who}"), secret: None }),
        Act::Pass(millis) => world.pass(Duration::from_millis(millis)),
        Act::Everything => world.settle(),
        Act::RestartServer => world.restart_server(),
    }
    world.registry.check();
}

/// The disturbances stop; after the longest deadline all must be well.
fn calm_down(world: &mut World) {
    for who in 0..PEOPLE {
        world.people[who].cut_off = false;
        world.people[who].refuses = None;
    }
    world.live_on(Duration::from_secs(120));
}

fn is_settled(world: &World, who: usize) -> bool {
    matches!(world.phase(who), None | Some(CallPhase::Connected))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_all_agree_in_the_end_and_nobody_stays_busy(acts in prop::collection::vec(act(), 1..150)) {
        let mut world = World::logged_in(PEOPLE);
        for act in acts {
            do_it(&mut world, act);
        }
        calm_down(&mut world);
        world.check_agreement();
        for who in 0..PEOPLE {
            prop_assert!(is_settled(&world, who), "person {who} is stuck: {:?}", world.call(who));
        }
        for who in 0..PEOPLE {
            world.command(who, Command::HangUp);
        }
        world.settle();
        world.check_agreement();
        for who in 0..PEOPLE {
            prop_assert_eq!(world.call(who), None);
            prop_assert!(world.people[who].engine.live.is_empty(), "devices are let go");
            if matches!(world.people[who].client.view().session, Session::LoggedIn { .. }) {
                prop_assert_eq!(world.state(who), UserState::Online);
            }
        }
        world.live_on(Duration::from_secs(61));
        prop_assert_eq!(world.registry.calls_known(), 0, "no call is kept for ever");
    }

    #[test]
    fn a_client_that_sends_anything_at_any_time_harms_nobody(
        messages in prop::collection::vec((0_usize..2, 0_usize..11, 0_usize..4), 1..60),
    ) {
        use crate::registry::ConnId;
        let mut world = World::in_call(3);
        let ids: Vec<_> = world.registry.state.calls.keys().copied().collect();
        let intruder = ConnId(900);
        let hello = ClientMessage::Hello { name: "intruder".into(), resume: None, secret: None };
        world.registry.received(world.now, intruder, hello);
        for (which, kind, whom) in messages {
            let call = ids.get(which).copied().unwrap_or(hutong_protocol::CallId(5));
            let to = world.token(whom.min(2)).unwrap();
            let sdp = String::new();
            let message = match kind {
                0 => ClientMessage::Hello { name: "person 0".into(), resume: None, secret: None },
                1 => ClientMessage::Confirm { call, sdp },
                2 => ClientMessage::Calling { call, sdp },
                3 => ClientMessage::Accept { call, media: MediaKind::Voice },
                4 => ClientMessage::Cancel { call, reason: CancelReason::Hangup },
                5 => ClientMessage::Released { call },
                6 => ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp },
                7 => ClientMessage::Claim { ticket: hutong_protocol::Ticket::new("c1.5.6.7.8.AAAA") },
                8 => ClientMessage::Offering { to, media: MediaKind::Video },
                9 => ClientMessage::LogOut,
                _ => ClientMessage::Hello { name: "intruder".into(), resume: None, secret: None },
            };
            world.registry.received(world.now, intruder, message);
            world.registry.check();
        }
        while world.registry.poll_effect().is_some() {}
        prop_assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    }
}
