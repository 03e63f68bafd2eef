//! Session flow: login, refusals, and reconnecting.

use std::time::Duration;

use crate::common::{CALL, ClientHarness, sent, user, welcome};
use hutong_core::{Command, Input, Output, RetryReason, SavedSession, SessionView, SocketEvent};
use hutong_protocol::{
    CancelReason, ClientMessage, ErrorCode, RefusedCode, Secret, ServerMessage, SessionTicket, UserState,
};

fn refused(code: RefusedCode) -> Input {
    Input::Message(ServerMessage::Refused { code, message: String::new() })
}

fn connects(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| **output == Output::Connect).count()
}

#[test]
fn hello_is_sent_once_the_socket_is_open() {
    let (mut harness, _) = ClientHarness::new(None);
    let outputs = harness.input(Input::Command(Command::LogIn { name: " Ana ".into(), secret: None }));
    assert_eq!((connects(&outputs), sent(&outputs)), (1, vec![]));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello { name: " Ana ".into(), resume: None, secret: None, replace: false }]
    );
    let outputs = harness.message(welcome());
    let saved = SavedSession { name: " Ana ".into(), ticket: SessionTicket::new("ana"), call: None };
    assert!(outputs.contains(&Output::Save(Some(saved))), "{outputs:?}");
    assert!(matches!(harness.client.view().session, SessionView::LoggedIn { .. }));
}

#[test]
fn a_new_ticket_replaces_that_of_the_welcome() {
    let (mut harness, _) = ClientHarness::new(None);
    let renewed = ServerMessage::Ticket { ticket: SessionTicket::new("renewed") };
    assert_eq!(harness.message(renewed.clone()), [], "nobody is logged in");
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.message(welcome());
    let outputs = harness.message(renewed);
    let saved = SavedSession { name: "Ana".into(), ticket: SessionTicket::new("renewed"), call: None };
    assert!(outputs.contains(&Output::Save(Some(saved))), "{outputs:?}");
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    let resume = Some(SessionTicket::new("renewed"));
    assert_eq!(sent(&outputs), [ClientMessage::Hello { name: "Ana".into(), resume, secret: None, replace: false }]);
}

#[test]
fn a_reloaded_page_resumes_its_session_and_cancels_its_call() {
    let saved = SavedSession { name: "Ana".into(), ticket: SessionTicket::new("ana"), call: Some(CALL) };
    let (mut harness, outputs) = ClientHarness::new(Some(saved));
    assert_eq!(connects(&outputs), 1);
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello {
            name: "Ana".into(),
            resume: Some(SessionTicket::new("ana")),
            secret: None,
            replace: false
        }]
    );
    let outputs = harness.message(welcome());
    assert_eq!(sent(&outputs), [ClientMessage::Cancel { call: CALL, reason: CancelReason::Hangup }]);
    let saved = outputs.iter().rev().find_map(|output| match output {
        Output::Save(saved) => saved.clone(),
        _ => None,
    });
    assert_eq!(saved.and_then(|saved| saved.call), None);
}

#[test]
fn after_a_refusal_that_the_person_can_correct_the_client_does_not_retry() {
    for code in [RefusedCode::NameTaken, RefusedCode::NameInvalid, RefusedCode::Version] {
        let (mut harness, _) = ClientHarness::new(None);
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        harness.input(Input::Socket(SocketEvent::Opened));
        let outputs = harness.input(refused(code));
        assert!(outputs.contains(&Output::Disconnect));
        assert_eq!(harness.client.view().session, SessionView::Refused { name: "Ana".into(), code });
        assert_eq!(connects(&harness.tick_at(Duration::from_secs(600))), 0);
    }
}

#[test]
fn after_a_temporary_refusal_the_client_retries() {
    for code in [
        RefusedCode::Full,
        RefusedCode::TooMany,
        RefusedCode::ShuttingDown,
        RefusedCode::RateLimited,
        RefusedCode::Unknown,
    ] {
        let mut harness = ClientHarness::logged_in();
        harness.input(refused(code));
        assert!(matches!(harness.client.view().session, SessionView::Reconnecting { .. }), "{code}");
        assert_eq!(connects(&harness.tick_at(Duration::from_secs(1))), 1, "{code}");
    }
}

#[test]
fn while_retrying_a_login_the_reason_is_shown() {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.input(refused(RefusedCode::TooMany));
    let retry_reason = Some(RetryReason::Refused(RefusedCode::TooMany));
    assert_eq!(harness.client.view().session, SessionView::LoggingIn { name: "Ana".into(), retry_reason });
    assert_eq!(connects(&harness.tick_at(Duration::from_secs(1))), 1);
    assert_eq!(
        harness.client.view().session,
        SessionView::LoggingIn { name: "Ana".into(), retry_reason },
        "until the next attempt fails"
    );
    harness.input(Input::Socket(SocketEvent::Closed));
    let retry_reason = Some(RetryReason::ServerUnreachable);
    assert_eq!(harness.client.view().session, SessionView::LoggingIn { name: "Ana".into(), retry_reason });
}

#[test]
fn a_rejected_ticket_is_dropped_and_the_login_continues_without_it() {
    let saved = SavedSession { name: "Ana".into(), ticket: SessionTicket::new("old"), call: None };
    let (mut harness, _) = ClientHarness::new(Some(saved));
    harness.input(Input::Socket(SocketEvent::Opened));
    let outputs = harness.input(refused(RefusedCode::TicketInvalid));
    assert_eq!(connects(&outputs), 1);
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello { name: "Ana".into(), resume: None, secret: None, replace: false }]
    );
    harness.input(refused(RefusedCode::TicketInvalid));
    assert!(matches!(harness.client.view().session, SessionView::Refused { .. }), "but only once");
}

fn secret(text: &str) -> Option<Secret> {
    Secret::new(text).ok()
}

fn hello(resume: Option<SessionTicket>, secret: Option<Secret>) -> ClientMessage {
    ClientMessage::Hello { name: "Ana".into(), resume, secret, replace: false }
}

#[test]
fn a_secret_is_sent_only_in_hello_and_not_saved() {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    harness.input(Input::Socket(SocketEvent::Opened));
    for code in [RefusedCode::SecretRequired, RefusedCode::SecretWrong] {
        harness.input(refused(code));
        assert_eq!(harness.client.view().session, SessionView::Refused { name: "Ana".into(), code });
        assert_eq!(
            connects(&harness.tick_at(harness.now + Duration::from_secs(600))),
            0,
            "the client does not retry with the same secret"
        );
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("open sesame") }));
        let outputs = harness.input(Input::Socket(SocketEvent::Opened));
        assert_eq!(sent(&outputs), [hello(None, secret("open sesame"))]);
    }
    let outputs = harness.message(welcome());
    assert!(!format!("{outputs:?}").contains("sesame"));
    let saved = outputs.iter().find_map(|output| match output {
        Output::Save(Some(saved)) => Some(serde_json::to_string(saved).unwrap()),
        _ => None,
    });
    assert!(!saved.unwrap().contains("sesame"));
}

#[test]
fn reconnecting_sends_the_ticket_alone_and_falls_back_to_the_secret() {
    let mut harness = logged_in_with_a_secret();
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), None)]);
    // A restarted server with the same access key. The ticket may prove that this device was logged in before.
    harness.input(refused(RefusedCode::TicketInvalid));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), secret("open sesame"))]);
    // Not to a server with another ticket key, nor to one that checks no secret beside a ticket.
    harness.input(refused(RefusedCode::TicketInvalid));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(None, secret("open sesame"))]);
    // Then one with another access key.
    harness.input(refused(RefusedCode::SecretWrong));
    assert!(matches!(harness.client.view().session, SessionView::Refused { code: RefusedCode::SecretWrong, .. }));
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    assert_eq!(
        sent(&harness.input(Input::Socket(SocketEvent::Opened))),
        [hello(None, None)],
        "the wrong secret is forgotten"
    );
}

#[test]
fn after_a_changed_password_the_new_one_is_sent_beside_the_old_ticket() {
    let mut harness = logged_in_with_a_secret();
    harness.input(refused(RefusedCode::SecretChanged));
    let code = RefusedCode::SecretChanged;
    assert_eq!(harness.client.view().session, SessionView::Refused { name: "Ana".into(), code });
    assert_eq!(connects(&harness.tick_at(Duration::from_secs(600))), 0, "the client does not retry");
    for (typed, expected) in [(secret("typo"), RefusedCode::SecretWrong), (secret("new"), RefusedCode::TicketInvalid)] {
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: typed.clone() }));
        let outputs = harness.input(Input::Socket(SocketEvent::Opened));
        assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), typed)]);
        harness.input(refused(expected));
    }
    assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(None, secret("new"))]);
    // The ticket belongs to its name.
    harness.input(refused(RefusedCode::SecretChanged));
    harness.input(Input::Command(Command::LogIn { name: "Bea".into(), secret: secret("other") }));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello { name: "Bea".into(), resume: None, secret: secret("other"), replace: false }]
    );
}

#[test]
fn a_client_that_was_replaced_by_the_password_returns_with_the_password() {
    let mut harness = logged_in_with_a_secret();
    harness.input(refused(RefusedCode::Replaced));
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), secret("open sesame"))]);
}

#[test]
fn logout_forgets_the_secret() {
    let mut harness = logged_in_with_a_secret();
    harness.input(Input::Command(Command::LogOut));
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(None, None)]);
}

fn with_invitation_key(key: &str) -> ClientHarness {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::InvitationKey(secret(key)));
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    harness
}

#[test]
fn an_invitations_key_is_sent_in_hello_and_neither_saved_nor_shown() {
    let mut harness = with_invitation_key("from the link");
    assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(None, secret("from the link"))]);
    let outputs = harness.message(welcome());
    assert!(outputs.iter().any(|output| matches!(output, Output::Save(Some(_)))));
    let shown = serde_json::to_string(harness.client.view()).unwrap();
    assert!(!format!("{outputs:?}{shown}").contains("link"));
    // The ticket alone resumes the session; without a valid one the key follows.
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), None)]);
    harness.input(refused(RefusedCode::TicketInvalid));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), secret("from the link"))]);
    // It outlasts a logout, since the page is still the one that the link opened, but not another server's invitation.
    harness.message(welcome());
    for (change, expected) in [(None, secret("from the link")), (Some(Input::InvitationKey(None)), None)] {
        harness.input(Input::Command(Command::LogOut));
        change.map(|change| harness.input(change));
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(None, expected)]);
        harness.message(welcome());
    }
}

#[test]
fn a_refused_invitation_key_is_forgotten_and_a_typed_one_works() {
    let mut harness = with_invitation_key("from an old link");
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.input(refused(RefusedCode::SecretWrong));
    assert_eq!(harness.client.view().session, SessionView::InvitationOutdated { name: "Ana".into() });
    assert_eq!(connects(&harness.tick_at(Duration::from_secs(600))), 0, "the client does not retry");
    for typed in [secret("typed"), None] {
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: typed.clone() }));
        assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(None, typed)]);
        harness.input(refused(RefusedCode::SecretWrong));
        let code = RefusedCode::SecretWrong;
        assert_eq!(harness.client.view().session, SessionView::Refused { name: "Ana".into(), code });
    }
}

#[test]
fn a_typed_secret_is_sent_instead_of_an_invitations_key() {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::InvitationKey(secret("from the link")));
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("typed") }));
    assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(None, secret("typed"))]);
    harness.input(refused(RefusedCode::SecretWrong));
    assert!(matches!(harness.client.view().session, SessionView::Refused { .. }));
}

#[test]
fn a_session_that_ends_by_a_changed_key_begins_again_with_the_invitations_key() {
    let mut harness = with_invitation_key("old key");
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.message(welcome());
    // The app that changes the key of its own server knows the new one beforehand.
    harness.input(Input::InvitationKey(secret("new key")));
    let outputs = harness.input(refused(RefusedCode::SecretChanged));
    assert_eq!(connects(&outputs), 1);
    assert!(matches!(harness.client.view().session, SessionView::LoggingIn { .. }));
    assert!(harness.client.view().users.is_empty());
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(sent(&outputs), [hello(Some(SessionTicket::new("ana")), secret("new key"))]);
    harness.message(welcome());
    // Others learn that their link is out of date.
    harness.input(refused(RefusedCode::SecretChanged));
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.input(refused(RefusedCode::SecretWrong));
    assert_eq!(harness.client.view().session, SessionView::InvitationOutdated { name: "Ana".into() });
}

#[test]
fn a_client_refused_as_not_welcome_does_not_reconnect() {
    let mut harness = ClientHarness::logged_in();
    harness.input(refused(RefusedCode::NotWelcome));
    assert_eq!(
        harness.client.view().session,
        SessionView::Refused { name: "Ana".into(), code: RefusedCode::NotWelcome }
    );
    assert_eq!(connects(&harness.tick_at(Duration::from_secs(600))), 0);
}

fn logged_in_with_a_secret() -> ClientHarness {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("open sesame") }));
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.message(welcome());
    harness
}

#[test]
fn a_login_under_the_same_name_resumes_the_session() {
    for (name, resume) in [("Ana", Some(SessionTicket::new("ana"))), ("Bea", None)] {
        let saved = SavedSession { name: "Ana".into(), ticket: SessionTicket::new("ana"), call: None };
        let (mut harness, _) = ClientHarness::new(Some(saved));
        harness.input(Input::Socket(SocketEvent::Closed));
        harness.input(Input::Command(Command::LogIn { name: name.into(), secret: None }));
        let outputs = harness.input(Input::Socket(SocketEvent::Opened));
        assert_eq!(sent(&outputs), [ClientMessage::Hello { name: name.into(), resume, secret: None, replace: false }]);
    }
}

#[test]
fn a_replaced_client_reconnects_only_on_a_login_command() {
    let mut harness = ClientHarness::logged_in();
    harness.input(refused(RefusedCode::Replaced));
    assert_eq!(connects(&harness.tick_at(Duration::from_secs(600))), 0);
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let outputs = harness.input(Input::Socket(SocketEvent::Opened));
    assert_eq!(
        sent(&outputs),
        [ClientMessage::Hello {
            name: "Ana".into(),
            resume: Some(SessionTicket::new("ana")),
            secret: None,
            replace: false
        }]
    );
}

#[test]
fn a_login_that_would_end_a_call_elsewhere_ends_it_only_on_command() {
    let (mut harness, _) = ClientHarness::new(None);
    let hello = |replace| ClientMessage::Hello { name: "Ana".into(), resume: None, secret: secret("open"), replace };
    let refusal = SessionView::Refused { name: "Ana".into(), code: RefusedCode::InCallElsewhere };
    harness.input(Input::Command(Command::LogInEndingCall));
    assert_eq!(harness.client.view().session, SessionView::LoggedOut, "nothing was refused");
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("open") }));
    assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(false)]);
    harness.input(refused(RefusedCode::InCallElsewhere));
    assert_eq!(harness.client.view().session, refusal);

    assert_eq!(connects(&harness.input(Input::Command(Command::LogInEndingCall))), 1);
    assert_eq!(sent(&harness.input(Input::Socket(SocketEvent::Opened))), [hello(true)]);
    harness.message(welcome());
    assert!(matches!(harness.client.view().session, SessionView::LoggedIn { .. }));
    // The agreement was to one login.
    harness.input(refused(RefusedCode::Replaced));
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    let sent = sent(&harness.input(Input::Socket(SocketEvent::Opened)));
    assert!(matches!(&sent[..], [ClientMessage::Hello { replace: false, .. }]), "{sent:?}");
}

#[test]
fn a_logout_forgets_the_secret_of_a_login_that_would_end_a_call() {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: secret("open") }));
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.input(refused(RefusedCode::InCallElsewhere));
    harness.input(Input::Command(Command::LogOut));
    assert_eq!(connects(&harness.input(Input::Command(Command::LogInEndingCall))), 0);
}

#[test]
fn an_unresponsive_server_is_retried_every_few_seconds() {
    let (mut harness, _) = ClientHarness::new(None);
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    harness.input(Input::Socket(SocketEvent::Opened));
    assert!(harness.tick_at(Duration::from_secs(10)).contains(&Output::Disconnect), "hello timed out");
    assert!(matches!(
        harness.client.view().session,
        SessionView::LoggingIn { retry_reason: Some(RetryReason::ServerUnreachable), .. }
    ));
    let mut attempts = 0;
    for second in 11..611 {
        let outputs = harness.tick_at(Duration::from_secs(second));
        attempts += connects(&outputs);
        if connects(&outputs) > 0 {
            harness.input(Input::Socket(SocketEvent::Closed));
        }
    }
    assert!((150..300).contains(&attempts), "{attempts} attempts in ten minutes");
}

#[test]
fn an_event_of_the_network_ends_the_backoff() {
    let mut harness = ClientHarness::logged_in();
    assert_eq!(connects(&harness.input(Input::CheckConnection)), 0, "the socket is open");
    harness.input(Input::Socket(SocketEvent::Closed));
    assert_eq!(connects(&harness.input(Input::CheckConnection)), 1);
    assert_eq!(connects(&harness.input(Input::CheckConnection)), 0, "a socket is being opened already");
    harness.now += Duration::from_secs(1);
    let outputs = harness.input(Input::CheckConnection);
    assert!(outputs.contains(&Output::Disconnect), "it was opened over the network from before");
    assert_eq!(connects(&outputs), 1);
    harness.input(Input::Command(Command::LogOut));
    assert_eq!(connects(&harness.input(Input::CheckConnection)), 0, "logged out");
}

#[test]
fn a_silent_server_is_pinged_and_counts_as_lost_after_15_s() {
    let mut harness = ClientHarness::logged_in();
    assert_eq!(sent(&harness.tick_at(Duration::from_secs(9))), []);
    assert_eq!(sent(&harness.tick_at(Duration::from_secs(10))), [ClientMessage::Ping]);
    assert_eq!(harness.tick_at(Duration::from_secs(14)), []);
    let outputs = harness.tick_at(Duration::from_secs(15));
    assert!(outputs.contains(&Output::Disconnect), "{outputs:?}");
    assert!(matches!(harness.client.view().session, SessionView::Reconnecting { .. }));
    let first = (15..=17).find(|second| connects(&harness.tick_at(Duration::from_secs(*second))) == 1);
    assert!(first.is_some(), "no attempt to reconnect within two seconds");
}

#[test]
fn any_answer_to_a_ping_keeps_the_session_also_that_of_an_older_server() {
    let unknown = ServerMessage::Error {
        code: ErrorCode::UnknownType,
        message: "unknown message type \"ping\"".into(),
        about: Some("ping".into()),
        call: None,
    };
    for answer in [ServerMessage::Pong, ServerMessage::Presence { changes: vec![], total: None }, unknown] {
        let mut harness = ClientHarness::logged_in();
        harness.tick_at(Duration::from_secs(10));
        harness.now = Duration::from_secs(14);
        harness.message(answer);
        assert_eq!(harness.client.view().notice, None);
        assert_eq!(sent(&harness.tick_at(Duration::from_secs(23))), []);
        assert_eq!(sent(&harness.tick_at(Duration::from_secs(24))), [ClientMessage::Ping]);
        assert!(matches!(harness.client.view().session, SessionView::LoggedIn { .. }));
    }
}

#[test]
fn a_page_that_was_frozen_asks_the_server_before_it_reconnects() {
    let mut harness = ClientHarness::logged_in();
    assert_eq!(sent(&harness.tick_at(Duration::from_secs(3_600))), [ClientMessage::Ping]);
    assert!(matches!(harness.client.view().session, SessionView::LoggedIn { .. }));
    harness.tick_at(Duration::from_secs(3_605));
    assert!(matches!(harness.client.view().session, SessionView::Reconnecting { .. }));
}

#[test]
fn an_event_of_the_network_checks_the_connection_within_3_s() {
    let mut harness = ClientHarness::logged_in();
    harness.now = Duration::from_secs(1);
    assert_eq!(sent(&harness.input(Input::CheckConnection)), [ClientMessage::Ping]);
    assert_eq!(sent(&harness.input(Input::CheckConnection)), [], "one ping is enough");
    harness.tick_at(Duration::from_secs(4));
    assert!(matches!(harness.client.view().session, SessionView::Reconnecting { .. }));
}

#[test]
fn an_attempt_to_connect_is_abandoned_after_3_s() {
    let mut harness = ClientHarness::logged_in();
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.input(Input::CheckConnection);
    assert_eq!(harness.tick_at(Duration::from_millis(2_999)), []);
    assert!(harness.tick_at(Duration::from_secs(3)).contains(&Output::Disconnect));
}

#[test]
fn clients_that_lose_a_server_together_reconnect_at_different_times() {
    let mut first_attempts = Vec::new();
    for seed in 0..100 {
        let config = hutong_core::Config { seed, ..Default::default() };
        let mut harness =
            ClientHarness { client: hutong_core::Client::new(config, Duration::ZERO), now: Duration::ZERO };
        harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
        let outputs = harness.input(Input::Socket(SocketEvent::Closed));
        let wake = outputs.iter().find_map(|output| match output {
            Output::Wake(at) => Some(*at),
            _ => None,
        });
        first_attempts.push(wake.unwrap());
    }
    first_attempts.sort();
    first_attempts.dedup();
    assert!(first_attempts.len() > 90);
    assert!(first_attempts[99.min(first_attempts.len() - 1)] <= Duration::from_secs(1));
    assert!(first_attempts.last().unwrap().saturating_sub(first_attempts[0]) > Duration::from_millis(800));
}

/// Delay until a client reconnects that loses a server with `total` users.
fn first_reconnect(seed: u64, total: u32) -> Duration {
    let config = hutong_core::Config { seed, ..Default::default() };
    let mut harness = ClientHarness { client: hutong_core::Client::new(config, Duration::ZERO), now: Duration::ZERO };
    harness.input(Input::Command(Command::LogIn { name: "Ana".into(), secret: None }));
    harness.input(Input::Socket(SocketEvent::Opened));
    harness.message(welcome());
    harness.message(ServerMessage::Roster { users: vec![], total: Some(total) });
    let outputs = harness.input(Input::Socket(SocketEvent::Closed));
    let wake = outputs.iter().find_map(|output| match output {
        Output::Wake(at) => Some(*at),
        _ => None,
    });
    wake.unwrap_or(Duration::MAX)
}

#[test]
fn ten_thousand_clients_reconnect_over_ten_seconds_and_fifty_within_one() {
    let mut reconnects: Vec<_> = (0..10_000).map(|seed| first_reconnect(seed, 10_000)).collect();
    reconnects.sort_unstable();
    assert!((Duration::from_secs(9)..=Duration::from_secs(10)).contains(&reconnects[9_999]), "{:?}", reconnects[9_999]);
    let within_a_second = |first: &Duration| {
        let end = *first + Duration::from_secs(1);
        reconnects.partition_point(|it| *it < end) - reconnects.partition_point(|it| it < first)
    };
    let busiest = reconnects.iter().map(within_a_second).max().unwrap();
    assert!(busiest <= 1_500, "{busiest} in one second");
    assert!((0..100).all(|seed| first_reconnect(seed, 50) <= Duration::from_secs(1)));
}

#[test]
fn the_backoff_counts_the_users_of_a_whole_roster_too() {
    let roster: Vec<_> = (2..=5_000).map(|token| user(token, "Bo")).collect();
    let mut harness = ClientHarness::logged_in();
    harness.message(ServerMessage::Roster { users: vec![], total: Some(20_000) });
    harness.message(ServerMessage::Roster { users: roster, total: None });
    harness.input(Input::Socket(SocketEvent::Closed));
    let first = (1..=5).find(|second| connects(&harness.tick_at(Duration::from_secs(*second))) == 1);
    assert!(first.is_some_and(|second| second > 1), "{first:?}: within 5 s; with this seed, not within the first");
}

#[test]
fn presence_updates_the_roster_and_this_user() {
    let mut harness = ClientHarness::logged_in();
    let mut me = user(1, "Ana");
    me.state = UserState::Connecting;
    let mut bo = user(2, "Bo");
    bo.state = UserState::Offline;
    harness.message(ServerMessage::Presence { changes: vec![me.clone(), bo, user(3, "Cy")], total: None });
    let view = harness.client.view();
    assert_eq!(view.session, SessionView::LoggedIn { me: me.clone() });
    assert_eq!(view.users.values().cloned().collect::<Vec<_>>(), [user(3, "Cy")]);

    // A report from before the reconnect that this user is offline.
    let mut gone = me.clone();
    gone.state = UserState::Offline;
    harness.message(ServerMessage::Presence { changes: vec![gone], total: None });
    assert_eq!(harness.client.view().session, SessionView::LoggedIn { me });
    harness.message(ServerMessage::Roster { users: vec![user(4, "Di")], total: None });
    assert_eq!(harness.client.view().users.len(), 1);
}

#[test]
fn logout_is_sent_and_clears_all_state() {
    let mut harness = ClientHarness::logged_in();
    let outputs = harness.input(Input::Command(Command::LogOut));
    assert_eq!(sent(&outputs), [ClientMessage::LogOut]);
    assert!(outputs.contains(&Output::Disconnect) && outputs.contains(&Output::Save(None)), "{outputs:?}");
    assert_eq!(*harness.client.view(), hutong_core::View::default());
    assert_eq!(connects(&harness.tick_at(Duration::from_secs(600))), 0);
}
