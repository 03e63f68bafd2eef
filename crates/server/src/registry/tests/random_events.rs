//! Property tests: after random commands, losses and restarts, clients and registry agree and no user stays busy.

use std::time::Duration;

use hutong_core::{CallPhase, Command, Input, MediaProblem, SessionView};
use hutong_protocol::{CancelReason, ClientMessage, MediaKind, UserState};
use proptest::prelude::*;

use super::world::RegistryWorld;

const PARTICIPANTS: usize = 3;

#[derive(Clone, Debug)]
enum RandomAction {
    Call(usize, usize),
    Accept(usize, MediaKind),
    Decline(usize),
    HangUp(usize),
    DeliverToServer(usize),
    DeliverToClient(usize),
    DeliverMediaEvent(usize),
    BreakConnection(usize),
    SetNetworkDown(usize, bool),
    SetCameraDenied(usize, bool),
    DetectDeadMedia,
    ReloadPage(usize),
    ReloadInterface(usize),
    LogOut(usize),
    LogIn(usize),
    Advance(u64),
    DeliverAll,
    RestartServer,
}

fn action() -> impl Strategy<Value = RandomAction> {
    let index = 0..PARTICIPANTS;
    prop_oneof![
        6 => (index.clone(), 0..PARTICIPANTS).prop_map(|(index, other)| RandomAction::Call(index, other)),
        6 => (index.clone(), any::<bool>())
            .prop_map(|(index, video)| RandomAction::Accept(index, if video { MediaKind::Video } else { MediaKind::Voice })),
        1 => index.clone().prop_map(RandomAction::Decline),
        2 => index.clone().prop_map(RandomAction::HangUp),
        14 => index.clone().prop_map(RandomAction::DeliverToServer),
        14 => index.clone().prop_map(RandomAction::DeliverToClient),
        10 => index.clone().prop_map(RandomAction::DeliverMediaEvent),
        3 => index.clone().prop_map(RandomAction::BreakConnection),
        1 => (index.clone(), any::<bool>()).prop_map(|(index, off)| RandomAction::SetNetworkDown(index, off)),
        1 => (index.clone(), any::<bool>()).prop_map(|(index, refuse)| RandomAction::SetCameraDenied(index, refuse)),
        1 => Just(RandomAction::DetectDeadMedia),
        1 => index.clone().prop_map(RandomAction::ReloadPage),
        1 => index.clone().prop_map(RandomAction::ReloadInterface),
        1 => index.clone().prop_map(RandomAction::LogOut),
        2 => index.prop_map(RandomAction::LogIn),
        4 => (0_u64..20_000).prop_map(RandomAction::Advance),
        4 => Just(RandomAction::DeliverAll),
        1 => Just(RandomAction::RestartServer),
    ]
}

fn perform(world: &mut RegistryWorld, action: RandomAction) {
    match action {
        RandomAction::Call(index, other) => world.start_call(index, other),
        RandomAction::Accept(index, media) => world.command(index, Command::Accept { media }),
        RandomAction::Decline(index) => world.command(index, Command::Decline),
        RandomAction::HangUp(index) => world.command(index, Command::HangUp),
        RandomAction::DeliverToServer(index) => {
            world.deliver_to_server(index);
        }
        RandomAction::DeliverToClient(index) => {
            world.deliver_to_client(index);
        }
        RandomAction::DeliverMediaEvent(index) => {
            world.deliver_media_event(index);
        }
        RandomAction::BreakConnection(index) => world.break_connection(index),
        RandomAction::SetNetworkDown(index, off) => world.participants[index].network_down = off,
        RandomAction::SetCameraDenied(index, refuse) => {
            world.participants[index].media_problem = refuse.then_some(MediaProblem::CameraDenied);
        }
        RandomAction::DetectDeadMedia => world.detect_dead_media(),
        RandomAction::ReloadPage(index) => world.reload_page(index),
        RandomAction::ReloadInterface(index) => {
            world.participants[index].engine = Default::default();
            world.input(index, Input::PageReloaded);
        }
        RandomAction::LogOut(index) => world.command(index, Command::LogOut),
        RandomAction::LogIn(index) => {
            world.command(index, Command::LogIn { name: format!("person {index}"), secret: None })
        }
        RandomAction::Advance(millis) => world.advance(Duration::from_millis(millis)),
        RandomAction::DeliverAll => world.deliver_all(),
        RandomAction::RestartServer => world.restart_server(),
    }
    world.registry.check();
}

/// Restores network and devices, and waits longer than the longest deadline.
fn recover(world: &mut RegistryWorld) {
    for index in 0..PARTICIPANTS {
        world.participants[index].network_down = false;
        world.participants[index].media_problem = None;
    }
    world.run_for(Duration::from_secs(120));
}

fn is_settled(world: &RegistryWorld, index: usize) -> bool {
    matches!(world.phase(index), None | Some(CallPhase::Connected))
}

proptest! {
    #![proptest_config(ProptestConfig { max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn clients_and_registry_agree_after_random_events(actions in prop::collection::vec(action(), 1..150)) {
        let mut world = RegistryWorld::logged_in(PARTICIPANTS);
        for action in actions {
            perform(&mut world, action);
        }
        recover(&mut world);
        world.check_agreement();
        for index in 0..PARTICIPANTS {
            prop_assert!(is_settled(&world, index), "client {index} is stuck: {:?}", world.call(index));
        }
        for index in 0..PARTICIPANTS {
            world.command(index, Command::HangUp);
        }
        world.deliver_all();
        world.check_agreement();
        for index in 0..PARTICIPANTS {
            prop_assert_eq!(world.call(index), None);
            prop_assert!(world.participants[index].engine.peers.is_empty(), "all devices are released");
            if matches!(world.participants[index].client.view().session, SessionView::LoggedIn { .. }) {
                prop_assert_eq!(world.state(index), UserState::Online);
            }
        }
        world.run_for(Duration::from_secs(61));
        prop_assert_eq!(world.registry.known_calls(), 0, "no call record is left");
    }

    #[test]
    fn an_intruders_messages_do_not_affect_the_call_of_others(
        messages in prop::collection::vec((0_usize..2, 0_usize..11, 0_usize..4), 1..60),
    ) {
        use crate::registry::ConnId;
        let mut world = RegistryWorld::in_call(3);
        let ids: Vec<_> = world.registry.state.calls.keys().copied().collect();
        let intruder = ConnId(900);
        let hello = ClientMessage::Hello { name: "intruder".into(), resume: None, secret: None, replace: false };
        world.registry.handle_message(world.now, intruder, hello);
        for (which, kind, target) in messages {
            let call = ids.get(which).copied().unwrap_or(hutong_protocol::CallId(5));
            let to = world.token(target.min(2)).unwrap();
            let sdp = String::new();
            let message = match kind {
                0 => ClientMessage::Hello { name: "person 0".into(), resume: None, secret: None, replace: false },
                1 => ClientMessage::Confirm { call, sdp },
                2 => ClientMessage::Calling { call, sdp },
                3 => ClientMessage::Accept { call, media: MediaKind::Voice },
                4 => ClientMessage::Cancel { call, reason: CancelReason::Hangup },
                5 => ClientMessage::Released { call },
                6 => ClientMessage::Description { call, kind: hutong_protocol::SdpKind::Offer, sdp },
                7 => ClientMessage::Claim { ticket: hutong_protocol::CallTicket::new("c1.5.6.7.8.AAAA") },
                8 => ClientMessage::Offering { to, media: MediaKind::Video },
                9 => ClientMessage::LogOut,
                _ => ClientMessage::Hello { name: "intruder".into(), resume: None, secret: None, replace: false },
            };
            world.registry.handle_message(world.now, intruder, message);
            world.registry.check();
        }
        while world.registry.poll_effect().is_some() {}
        prop_assert_eq!((world.state(0), world.state(1)), (UserState::InCall, UserState::InCall));
    }
}
