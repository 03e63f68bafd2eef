//! Logging in, being refused, losing the server and coming back.

use std::time::Duration;

use crate::common::{Bench, CALL, sent, user, welcome};
use hutong_core::{Command, Input, LinkEvent, Output, RetryReason, Saved, Session};
use hutong_protocol::{CancelReason, ClientMessage, RefusedCode, Secret, ServerMessage, Ticket, UserState};

fn refused(code: RefusedCode) -> Input {
    Input::Message(ServerMessage::Refused { code, message: String::new() })
}

fn connects(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| **output == Output::Connect).count()
}

#[test]
fn hello_is_said_once_the_link_is_up() {
    let (mut bench, _) = Bench::new(None);
    let outputs = bench.give(Input::Command(Command::LogIn { name: " Ana ".into(), secret: None }));
    assert_eq!((connects(&outputs), sent(&outputs)), (1, vec![]));
    let outputs = bench.give(Input::Link(LinkEvent::Up));
    assert_eq!(sent(&outputs), [ClientMessage::Hello { name: " Ana ".into(), resume: None, secret: None }]);
    let outputs = bench.message(welcome());
    let saved = Saved { name: " Ana ".into(), ticket: Ticket::new("ana"), call: None };
    assert!(outputs.contains(&Output::Save(Some(saved))), "{outputs:?}");
    assert!(matches!(bench.client.view().session, Session::LoggedIn { .. }));
}

#[test]
fn a_page_that_was_reloaded_comes_back_by_itself_and_cancels_its_call_first() {
    let saved = Saved { name: "Ana".into(), ticket: Ticket::new("ana"), call: Some(CALL) };
    let (mut bench, outputs) = Bench::new(Some(saved));
    assert_eq!(connects(&outputs), 1);
    let outputs = bench.give(Input::Link(LinkEvent::Up));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello { name: "Ana".into(), resume: Some(Ticket::new("ana")), secret: None }]
    );
    let outputs = bench.message(welcome());
    assert_eq!(sent(&outputs), [ClientMessage::Cancel { call: CALL, reason: CancelReason::Hangup }]);
    let saved = outputs.iter().rev().find_map(|output| match output {
        Output::Save(saved) => saved.clone(),
        _ => None,
    });
    assert_eq!(saved.and_then(|saved| saved.call), None);
}

#[test]
fn a_refusal_that_the_person_can_mend_ends_the_tries() {
    for code in [RefusedCode::NameTaken, RefusedCode::NameInvalid, RefusedCode::Version] {
        let (mut bench, _) = Bench::new(None);
        bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        bench.give(Input::Link(LinkEvent::Up));
        let outputs = bench.give(refused(code));
        assert!(outputs.contains(&Output::Disconnect));
        assert_eq!(bench.client.view().session, Session::Refused { name: "Ana".into(), code });
        assert_eq!(connects(&bench.at(Duration::from_secs(600))), 0);
    }
}

#[test]
fn a_refusal_that_passes_is_waited_out() {
    for code in [
        RefusedCode::Full,
        RefusedCode::TooMany,
        RefusedCode::ShuttingDown,
        RefusedCode::RateLimited,
        RefusedCode::Unknown,
    ] {
        let mut bench = Bench::logged_in();
        bench.give(refused(code));
        assert!(matches!(bench.client.view().session, Session::Reconnecting { .. }), "{code}");
        assert_eq!(connects(&bench.at(Duration::from_secs(1))), 1, "{code}");
    }
}

#[test]
fn who_waits_to_be_let_in_learns_what_for() {
    let (mut bench, _) = Bench::new(None);
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    bench.give(Input::Link(LinkEvent::Up));
    bench.give(refused(RefusedCode::TooMany));
    let retry_reason = Some(RetryReason::Refused(RefusedCode::TooMany));
    assert_eq!(bench.client.view().session, Session::LoggingIn { name: "Ana".into(), retry_reason });
    assert_eq!(connects(&bench.at(Duration::from_secs(1))), 1);
    assert_eq!(
        bench.client.view().session,
        Session::LoggingIn { name: "Ana".into(), retry_reason },
        "until it is known better"
    );
    bench.give(Input::Link(LinkEvent::Down));
    let retry_reason = Some(RetryReason::ServerAway);
    assert_eq!(bench.client.view().session, Session::LoggingIn { name: "Ana".into(), retry_reason });
}

#[test]
fn a_ticket_that_is_not_good_any_more_is_dropped_and_login_goes_on() {
    let saved = Saved { name: "Ana".into(), ticket: Ticket::new("old"), call: None };
    let (mut bench, _) = Bench::new(Some(saved));
    bench.give(Input::Link(LinkEvent::Up));
    let outputs = bench.give(refused(RefusedCode::TicketInvalid));
    assert_eq!(connects(&outputs), 1);
    let outputs = bench.give(Input::Link(LinkEvent::Up));
    assert_eq!(sent(&outputs), [ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None }]);
    bench.give(refused(RefusedCode::TicketInvalid));
    assert!(matches!(bench.client.view().session, Session::Refused { .. }), "but not for ever");
}

fn secret(text: &str) -> Option<Secret> {
    Secret::new(text).ok()
}

fn hello(resume: Option<Ticket>, secret: Option<Secret>) -> ClientMessage {
    ClientMessage::Hello { name: "Ana".into(), resume, secret }
}

#[test]
fn a_secret_is_asked_for_once_and_given_in_hello_alone() {
    let (mut bench, _) = Bench::new(None);
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    bench.give(Input::Link(LinkEvent::Up));
    for code in [RefusedCode::SecretRequired, RefusedCode::SecretWrong] {
        bench.give(refused(code));
        assert_eq!(bench.client.view().session, Session::Refused { name: "Ana".into(), code });
        assert_eq!(connects(&bench.at(bench.now + Duration::from_secs(600))), 0, "nobody guesses by themselves");
        bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("open sesame") }));
        let outputs = bench.give(Input::Link(LinkEvent::Up));
        assert_eq!(sent(&outputs), [hello(None, secret("open sesame"))]);
    }
    let outputs = bench.message(welcome());
    assert!(!format!("{outputs:?}").contains("sesame"));
    let saved = outputs.iter().find_map(|output| match output {
        Output::Save(Some(saved)) => Some(serde_json::to_string(saved).unwrap()),
        _ => None,
    });
    assert!(!saved.unwrap().contains("sesame"));
}

#[test]
fn the_ticket_is_enough_to_come_back_and_the_secret_stands_in_for_a_ticket_that_is_not_good() {
    let mut bench = logged_in_with_a_secret();
    bench.give(Input::Link(LinkEvent::Down));
    bench.give(Input::NetworkBack);
    let outputs = bench.give(Input::Link(LinkEvent::Up));
    assert_eq!(sent(&outputs), [hello(Some(Ticket::new("ana")), None)]);
    // A server that was started anew with another ticket key and the same access key.
    bench.give(refused(RefusedCode::TicketInvalid));
    let outputs = bench.give(Input::Link(LinkEvent::Up));
    assert_eq!(sent(&outputs), [hello(None, secret("open sesame"))]);
    // And one with another access key.
    bench.give(refused(RefusedCode::SecretWrong));
    assert!(matches!(bench.client.view().session, Session::Refused { code: RefusedCode::SecretWrong, .. }));
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    assert_eq!(sent(&bench.give(Input::Link(LinkEvent::Up))), [hello(None, None)], "the wrong one is forgotten");
}

#[test]
fn a_log_out_forgets_the_secret() {
    let mut bench = logged_in_with_a_secret();
    bench.give(Input::Command(Command::LogOut));
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    assert_eq!(sent(&bench.give(Input::Link(LinkEvent::Up))), [hello(None, None)]);
}

#[test]
fn who_is_not_welcome_any_more_does_not_come_back() {
    let mut bench = Bench::logged_in();
    bench.give(refused(RefusedCode::NotWelcome));
    assert_eq!(bench.client.view().session, Session::Refused { name: "Ana".into(), code: RefusedCode::NotWelcome });
    assert_eq!(connects(&bench.at(Duration::from_secs(600))), 0);
}

fn logged_in_with_a_secret() -> Bench {
    let (mut bench, _) = Bench::new(None);
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("open sesame") }));
    bench.give(Input::Link(LinkEvent::Up));
    bench.message(welcome());
    bench
}

#[test]
fn trying_again_by_hand_under_the_same_name_is_coming_back_too() {
    for (name, resume) in [("Ana", Some(Ticket::new("ana"))), ("Bea", None)] {
        let saved = Saved { name: "Ana".into(), ticket: Ticket::new("ana"), call: None };
        let (mut bench, _) = Bench::new(Some(saved));
        bench.give(Input::Link(LinkEvent::Down));
        bench.give(Input::Command(Command::LogIn { name: name.into(), secret: None }));
        let outputs = bench.give(Input::Link(LinkEvent::Up));
        assert_eq!(sent(&outputs), [ClientMessage::Hello { name: name.into(), resume, secret: None }]);
    }
}

#[test]
fn being_replaced_is_final_until_the_person_comes_back() {
    let mut bench = Bench::logged_in();
    bench.give(refused(RefusedCode::Replaced));
    assert_eq!(connects(&bench.at(Duration::from_secs(600))), 0);
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let outputs = bench.give(Input::Link(LinkEvent::Up));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello { name: "Ana".into(), resume: Some(Ticket::new("ana")), secret: None }]
    );
}

#[test]
fn a_server_that_does_not_answer_is_tried_again_ever_more_patiently() {
    let (mut bench, _) = Bench::new(None);
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    bench.give(Input::Link(LinkEvent::Up));
    assert!(bench.at(Duration::from_secs(10)).contains(&Output::Disconnect), "no answer to hello");
    assert!(matches!(
        bench.client.view().session,
        Session::LoggingIn { retry_reason: Some(RetryReason::ServerAway), .. }
    ));
    let mut tries = 0;
    for second in 11..611 {
        let outputs = bench.at(Duration::from_secs(second));
        tries += connects(&outputs);
        if connects(&outputs) > 0 {
            bench.give(Input::Link(LinkEvent::Down));
        }
    }
    assert!((40..140).contains(&tries), "{tries} tries in ten minutes: neither given up nor hammered");
}

#[test]
fn a_network_that_is_back_is_used_at_once() {
    let mut bench = Bench::logged_in();
    assert_eq!(connects(&bench.give(Input::NetworkBack)), 0, "the link is up");
    bench.give(Input::Link(LinkEvent::Down));
    assert_eq!(connects(&bench.give(Input::NetworkBack)), 1);
    assert_eq!(connects(&bench.give(Input::NetworkBack)), 0, "one is being opened already");
    bench.give(Input::Command(Command::LogOut));
    assert_eq!(connects(&bench.give(Input::NetworkBack)), 0, "nobody wants a link");
}

#[test]
fn clients_that_lose_a_server_together_come_back_apart() {
    let mut first_tries = Vec::new();
    for seed in 0..100 {
        let config = hutong_core::Config { seed, saved: None };
        let mut bench = Bench { client: hutong_core::Client::new(config, Duration::ZERO), now: Duration::ZERO };
        bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        let outputs = bench.give(Input::Link(LinkEvent::Down));
        let wake = outputs.iter().find_map(|output| match output {
            Output::Wake(at) => Some(*at),
            _ => None,
        });
        first_tries.push(wake.unwrap());
    }
    first_tries.sort();
    first_tries.dedup();
    assert!(first_tries.len() > 90);
    assert!(first_tries[99.min(first_tries.len() - 1)] <= Duration::from_secs(1));
    assert!(first_tries.last().unwrap().saturating_sub(first_tries[0]) > Duration::from_millis(800));
}

/// When a client comes back that loses a server of so many users now.
fn first_return(seed: u64, total: u32) -> Duration {
    let config = hutong_core::Config { seed, saved: None };
    let mut bench = Bench { client: hutong_core::Client::new(config, Duration::ZERO), now: Duration::ZERO };
    bench.give(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    bench.give(Input::Link(LinkEvent::Up));
    bench.message(welcome());
    bench.message(ServerMessage::Roster { users: vec![], total: Some(total) });
    let outputs = bench.give(Input::Link(LinkEvent::Down));
    let wake = outputs.iter().find_map(|output| match output {
        Output::Wake(at) => Some(*at),
        _ => None,
    });
    wake.unwrap_or(Duration::MAX)
}

#[test]
fn ten_thousand_come_back_over_ten_seconds_and_a_few_at_once() {
    let mut returns: Vec<_> = (0..10_000).map(|seed| first_return(seed, 10_000)).collect();
    returns.sort_unstable();
    assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&returns[9_999]), "{:?}", returns[9_999]);
    let within_a_second = |first: &Duration| {
        let end = *first + Duration::from_secs(1);
        returns.partition_point(|it| *it < end) - returns.partition_point(|it| it < first)
    };
    let busiest = returns.iter().map(within_a_second).max().unwrap();
    assert!(busiest <= 1_500, "{busiest} in one second");
    assert!((0..100).all(|seed| first_return(seed, 50) <= Duration::from_secs(1)));
}

#[test]
fn a_roster_of_everybody_tells_how_large_a_server_is_too() {
    let crowd: Vec<_> = (2..=5_000).map(|token| user(token, "Bo")).collect();
    let mut bench = Bench::logged_in();
    bench.message(ServerMessage::Roster { users: vec![], total: Some(20_000) });
    bench.message(ServerMessage::Roster { users: crowd, total: None });
    bench.give(Input::Link(LinkEvent::Down));
    let first = (1..=5).find(|second| connects(&bench.at(Duration::from_secs(*second))) == 1);
    assert!(first.is_some_and(|second| second > 1), "{first:?}: within 5 s, and this seed's draw is not in the first");
}

#[test]
fn presence_updates_the_roster_and_oneself() {
    let mut bench = Bench::logged_in();
    let mut me = user(1, "Ana");
    me.state = UserState::Connecting;
    let mut bo = user(2, "Bo");
    bo.state = UserState::Offline;
    bench.message(ServerMessage::Presence { changes: vec![me.clone(), bo, user(3, "Cy")], total: None });
    let view = bench.client.view();
    assert_eq!(view.session, Session::LoggedIn { me: me.clone() });
    assert_eq!(view.users.values().cloned().collect::<Vec<_>>(), [user(3, "Cy")]);

    // The news of our own going offline, from before we came back.
    let mut gone = me.clone();
    gone.state = UserState::Offline;
    bench.message(ServerMessage::Presence { changes: vec![gone], total: None });
    assert_eq!(bench.client.view().session, Session::LoggedIn { me });
    bench.message(ServerMessage::Roster { users: vec![user(4, "Di")], total: None });
    assert_eq!(bench.client.view().users.len(), 1);
}

#[test]
fn logging_out_says_so_and_forgets_everything() {
    let mut bench = Bench::logged_in();
    let outputs = bench.give(Input::Command(Command::LogOut));
    assert_eq!(sent(&outputs), [ClientMessage::LogOut]);
    assert!(outputs.contains(&Output::Disconnect) && outputs.contains(&Output::Save(None)), "{outputs:?}");
    assert_eq!(*bench.client.view(), hutong_core::View::default());
    assert_eq!(connects(&bench.at(Duration::from_secs(600))), 0);
}
