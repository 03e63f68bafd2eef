//! What one address, one network and all of them together can guess and take: figures for the scoreboard in docs/SECURITY.md.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const HOUR: u32 = 3_600;
const DAY: u32 = 24 * HOUR;

/// Where guesses come from, as addresses for ever new numbers.
#[derive(Clone, Copy, Debug)]
enum Attacker {
    Ipv4,
    Ipv6Prefix,
    Ipv6Site,
    Everywhere,
}

impl Attacker {
    fn address(self, number: u32) -> IpAddr {
        let (site, subnet) = match self {
            Self::Ipv4 => return Ipv4Addr::new(192, 0, 2, 1).into(),
            Self::Ipv6Prefix => (1, 1),
            Self::Ipv6Site => (1, number as u16),
            Self::Everywhere => (number as u16, 1),
        };
        Ipv6Addr::new(0x2001, 0xdb8, site, subnet, 0, 0, (number >> 16) as u16, number as u16).into()
    }
}

/// Guesses that are checked in the first hour and in the first day: three thousand at once, then one every three seconds, for one
/// name or for ever new ones.
fn guesses(from: Attacker, is_one_name: bool) -> [usize; 2] {
    let mut admission = AdmissionControl::new(AdmissionOptions::default()).unwrap();
    admission.secrets = passwords();
    let start = Instant::now();
    let at_once = (0..3_000).map(|number| (number, 0));
    let later = (1..DAY / 3).map(|number| (3_000 + number, 3 * number));
    let mut checked = Vec::new();
    for (number, second) in at_once.chain(later) {
        let now = start + Duration::from_secs(1) * second;
        let name = if is_one_name { "Ana".to_owned() } else { format!("name {number}") };
        let client = ClientAddr::limited(from.address(number));
        if let Some(attempt) = admission.begin_attempt(client, &Name::new(&name).unwrap().key(), None, now) {
            attempt.finish(SecretVerdict::Wrong, now);
            checked.push(second);
        }
    }
    [HOUR, DAY].map(|end| checked.iter().filter(|second| **second < end).count())
}

fn passwords() -> SecretStore {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users");
    std::fs::write(&path, "").unwrap();
    SecretStore::Passwords(ReloadableFile::open(&path, UserPasswords::parse).unwrap())
}

#[test]
fn scoreboard_guesses_in_an_hour() {
    let cases = [
        ("one IPv4 address", Attacker::Ipv4, false, [75, 400]),
        ("one IPv6 /64", Attacker::Ipv6Prefix, false, [75, 400]),
        ("one IPv6 /48", Attacker::Ipv6Site, false, [300, 1_500]),
        ("any number of addresses", Attacker::Everywhere, false, [2_720, 19_280]),
        ("any number of addresses, for one name", Attacker::Everywhere, true, [2_720, 19_280]),
    ];
    for (who, from, is_one_name, bounds) in cases {
        let [hour, day] = guesses(from, is_one_name);
        println!("| passwords guessed in an hour; in a day: by {who} | {}; {} | {hour}; {day} |", bounds[0], bounds[1]);
        assert!(hour <= bounds[0] && day <= bounds[1], "{who}: {hour} in an hour, {day} in a day");
    }
}

#[test]
fn scoreboard_places_that_one_network_takes() {
    let all = crate::Options::listen_on(([127, 0, 0, 1], 0).into()).connection_limit();
    let cases = [
        ("one IPv4 address", Attacker::Ipv4, 2_512),
        ("one IPv6 /64", Attacker::Ipv6Prefix, 2_512),
        ("one IPv6 /48", Attacker::Ipv6Site, 5_024),
    ];
    for (who, from, bound) in cases {
        let limits = AdmissionLimits::new(AdmissionOptions::default().max_per_address);
        let start = Instant::now();
        // Ten a second: below the rate of new connections.
        let taken = (0..2 * all as u32)
            .map_while(|number| {
                limits.acquire_connection(Some(from.address(number)), start + Duration::from_millis(100) * number)
            })
            .collect::<Vec<_>>();
        assert_eq!(taken.len(), bound, "{who}");
        println!("| places taken by {who}, of {all} | {bound} | {} |", taken.len());
    }
}
