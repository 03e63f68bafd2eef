//! A server that shows a part of who is online.

use std::time::Duration;

use crate::common::{Bench, sent, user, welcome};
use hutong_core::{Command, Input, LinkEvent};
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

fn part(total: u32) -> ServerMessage {
    ServerMessage::Roster { users: vec![user(3, "Cai")], total: Some(total) }
}

#[test]
fn a_server_that_shows_everybody_is_sent_no_filter() {
    let mut bench = Bench::logged_in();
    assert_eq!(sent(&bench.give(set_filter("a", &["Bo"]))), []);
    assert_eq!(bench.client.view().total, None);
}

#[test]
fn a_server_that_begins_to_show_a_part_is_sent_the_filter_and_each_that_follows() {
    let mut bench = Bench::logged_in();
    bench.give(set_filter("", &["Bo"]));
    assert_eq!(sent(&bench.message(part(20_000))), [watch("", &["Bo"])]);
    assert_eq!(bench.client.view().total, Some(20_000));
    assert_eq!(sent(&bench.message(part(20_001))), [], "once");
    assert_eq!(sent(&bench.give(set_filter("a", &["Bo"]))), [watch("a", &["Bo"])]);
    assert_eq!(sent(&bench.give(set_filter("a", &["Bo"]))), [], "nothing new");
    bench.message(ServerMessage::Presence { changes: vec![], total: Some(21_000) });
    assert_eq!(bench.client.view().total, Some(21_000));
    bench.message(ServerMessage::Presence { changes: vec![user(4, "Di")], total: None });
    assert_eq!(bench.client.view().total, Some(21_000), "not told is not changed");
    bench.message(ServerMessage::Roster { users: vec![user(2, "Bo")], total: None });
    assert_eq!(bench.client.view().total, None);
}

#[test]
fn a_new_connection_is_sent_the_filter_again() {
    let mut bench = Bench::logged_in();
    bench.message(part(20_000));
    bench.give(set_filter("ca", &[]));
    bench.give(Input::Link(LinkEvent::Down));
    bench.at(Duration::from_secs(16));
    bench.give(Input::Link(LinkEvent::Up));
    let ServerMessage::Welcome { me, ticket, ice_servers, limits, users, .. } = welcome() else { unreachable!() };
    let welcome = ServerMessage::Welcome { me, ticket, ice_servers, limits, users, total: Some(20_000) };
    assert_eq!(sent(&bench.message(welcome)), [watch("ca", &[])]);
    bench.give(Input::Command(Command::LogOut));
    assert_eq!(bench.client.view().total, None);
}

#[test]
fn a_filter_is_bounded() {
    let mut bench = Bench::logged_in();
    bench.message(part(20_000));
    let names: Vec<String> = (0..200).map(|number| format!("n{number}")).collect();
    let said = sent(&bench.give(Input::Command(Command::SetRosterFilter { query: "x".repeat(500), names })));
    let [ClientMessage::Watch { query, names }] = &said[..] else { panic!("{said:?}") };
    assert_eq!((query.len(), names.len()), (limits::NAME_CHARS, limits::WATCHED_NAMES));
}
