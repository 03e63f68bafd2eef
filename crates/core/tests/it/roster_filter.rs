//! Roster filter, with servers that show a part of their roster.

use std::time::Duration;

use crate::common::{ClientHarness, sent, user, welcome};
use hutong_core::{Command, Input, SocketEvent};
use hutong_protocol::{ClientMessage, ServerMessage, limits};

fn set_filter(query: &str, names: &[&str]) -> Input {
    Input::Command(Command::SetRosterFilter {
        query: query.into(),
        names: names.iter().map(|name| (*name).into()).collect(),
    })
}

fn watch(query: &str, names: &[&str]) -> ClientMessage {
    ClientMessage::Watch { query: query.into(), names: names.iter().map(|name| (*name).into()).collect() }
}

fn partial_roster(total: u32) -> ServerMessage {
    ServerMessage::Roster { users: vec![user(3, "Cai")], total: Some(total) }
}

#[test]
fn a_server_with_a_whole_roster_is_sent_no_filter() {
    let mut harness = ClientHarness::logged_in();
    assert_eq!(sent(&harness.input(set_filter("a", &["Bo"]))), []);
    assert_eq!(harness.client.view().total, None);
}

#[test]
fn a_server_that_switches_to_a_partial_roster_is_sent_the_filter_and_its_changes() {
    let mut harness = ClientHarness::logged_in();
    harness.input(set_filter("", &["Bo"]));
    assert_eq!(sent(&harness.message(partial_roster(20_000))), [watch("", &["Bo"])]);
    assert_eq!(harness.client.view().total, Some(20_000));
    assert_eq!(sent(&harness.message(partial_roster(20_001))), [], "only once");
    assert_eq!(sent(&harness.input(set_filter("a", &["Bo"]))), [watch("a", &["Bo"])]);
    assert_eq!(sent(&harness.input(set_filter("a", &["Bo"]))), [], "unchanged filter");
    harness.message(ServerMessage::Presence { changes: vec![], total: Some(21_000) });
    assert_eq!(harness.client.view().total, Some(21_000));
    harness.message(ServerMessage::Presence { changes: vec![user(4, "Di")], total: None });
    assert_eq!(harness.client.view().total, Some(21_000), "a missing total means unchanged");
    harness.message(ServerMessage::Roster { users: vec![user(2, "Bo")], total: None });
    assert_eq!(harness.client.view().total, None);
}

#[test]
fn a_new_connection_is_sent_the_filter_again() {
    let mut harness = ClientHarness::logged_in();
    harness.message(partial_roster(20_000));
    harness.input(set_filter("ca", &[]));
    harness.input(Input::Socket(SocketEvent::Closed));
    harness.tick_at(Duration::from_secs(16));
    harness.input(Input::Socket(SocketEvent::Opened));
    let ServerMessage::Welcome { me, ticket, ice_servers, limits, users, .. } = welcome() else { unreachable!() };
    let welcome = ServerMessage::Welcome { me, ticket, ice_servers, limits, users, total: Some(20_000) };
    assert_eq!(sent(&harness.message(welcome)), [watch("ca", &[])]);
    harness.input(Input::Command(Command::LogOut));
    assert_eq!(harness.client.view().total, None);
}

#[test]
fn query_and_names_of_the_filter_are_bounded() {
    let mut harness = ClientHarness::logged_in();
    harness.message(partial_roster(20_000));
    let names: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
    let sent_messages =
        sent(&harness.input(Input::Command(Command::SetRosterFilter { query: "x".repeat(500), names })));
    let [ClientMessage::Watch { query, names }] = &sent_messages[..] else { panic!("{sent_messages:?}") };
    assert_eq!((query.len(), names.len()), (limits::MAX_NAME_CHARS, limits::MAX_WATCHED_NAMES));
}
