//! Admission of remote ICE candidates: which ones, and how many, the WebRTC library gets.
//!
//! The other side chooses the addresses to which this side sends connectivity checks, and the names that it looks up by
//! multicast. The library accepts any number of both.

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtc::ice::candidate::{CandidateType, unmarshal_candidate};

use crate::addresses::{MDNS_PORT, is_unicast};
use crate::description::IceCredentials;

/// Candidates of one ICE generation. A computer with many network interfaces has about twenty.
const MAX_CANDIDATES: usize = 64;

/// Candidates of one connection. At ten for each ICE restart it lasts for four hundred restarts; the library keeps statistics on
/// all of them.
const MAX_ALL_CANDIDATES: usize = 4_096;

/// Look-ups of mDNS names for one ICE generation, and at any time. Each is repeated every second to all hosts of the local
/// network. Browsers have one name for each address.
const MAX_LOOKUPS: usize = 8;

/// Time limit of a look-up of an mDNS name. Hosts answer within milliseconds; it leaves room for two repetitions.
pub(crate) const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);

/// Limit of a candidate's text, in bytes. Browsers write about 200.
const MAX_TEXT: usize = 512;

/// A candidate's text cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedCandidate;

/// What becomes of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The library gets it.
    Admitted,
    /// It is unusable, repeated, or beyond a limit.
    Ignored,
}

/// The remote candidates of a connection.
#[derive(Clone, Default)]
pub(crate) struct RemoteCandidates {
    /// Of the current generation; `None` before the first description.
    credentials: Option<IceCredentials>,
    /// Addresses and ports of the current generation.
    known: HashSet<(String, u16)>,
    /// Look-ups of the current generation.
    lookups: usize,
    /// When the last look-ups began, of all generations. At most [`MAX_LOOKUPS`].
    recent_lookups: VecDeque<Instant>,
    /// Of all generations.
    all: usize,
}

impl RemoteCandidates {
    /// Begins a generation, unless the credentials are those of the current one.
    pub fn start_generation(&mut self, credentials: IceCredentials) {
        if self.credentials.as_ref() != Some(&credentials) {
            self.credentials = Some(credentials);
            self.known.clear();
            self.lookups = 0;
        }
    }

    /// Whether there is a generation to which candidates can belong.
    pub fn has_generation(&self) -> bool {
        self.credentials.is_some()
    }

    /// Decides on a candidate attribute (RFC 8839, section 5.1), with or without the prefix `candidate:`.
    ///
    /// # Errors
    ///
    /// [`MalformedCandidate`].
    pub fn admit(&mut self, now: Instant, text: &str) -> Result<Admission, MalformedCandidate> {
        let text = text.strip_prefix("candidate:").unwrap_or(text);
        let (address, port, lookup) = match parse(text)? {
            Some(Usable::Address(address)) => (address.ip().to_string(), address.port(), false),
            Some(Usable::Name(name, port)) => (name, port, true),
            None => return Ok(Admission::Ignored),
        };
        let is_full = self.known.len() >= MAX_CANDIDATES || self.all >= MAX_ALL_CANDIDATES;
        if is_full || self.known.contains(&(address.clone(), port)) || (lookup && !self.can_look_up(now)) {
            return Ok(Admission::Ignored);
        }
        if lookup {
            self.lookups += 1;
            self.recent_lookups.push_back(now);
        }
        self.known.insert((address, port));
        self.all += 1;
        Ok(Admission::Admitted)
    }

    fn can_look_up(&mut self, now: Instant) -> bool {
        self.recent_lookups.retain(|began| now.saturating_duration_since(*began) < LOOKUP_TIMEOUT);
        self.lookups < MAX_LOOKUPS && self.recent_lookups.len() < MAX_LOOKUPS
    }
}

/// Where a candidate leads.
enum Usable {
    Address(SocketAddr),
    /// An mDNS name, and a port.
    Name(String, u16),
}

/// Parses a candidate as the WebRTC library does. `None` for one that this side cannot or must not use: over TCP, of another
/// component than RTP, of a group address, or of a name that no browser makes.
fn parse(text: &str) -> Result<Option<Usable>, MalformedCandidate> {
    if text.len() > MAX_TEXT {
        return Err(MalformedCandidate);
    }
    let is_udp = text.split_whitespace().nth(2).is_some_and(|protocol| protocol.eq_ignore_ascii_case("udp"));
    // TCP candidates differ in their syntax.
    if !is_udp && text.split_whitespace().count() >= 8 {
        return Ok(None);
    }
    let is_name = text.split_whitespace().nth(4).is_some_and(|address| address.parse::<std::net::IpAddr>().is_err());
    if is_name && !text.split_whitespace().nth(4).is_some_and(is_mdns_name) {
        return Ok(None);
    }
    let candidate = unmarshal_candidate(text).map_err(|_| MalformedCandidate)?;
    let port = candidate.port();
    if candidate.component() != 1 || port == 0 || port == MDNS_PORT || !candidate.network_type().is_udp() {
        return Ok(None);
    }
    Ok(match candidate.candidate_type() {
        CandidateType::Host if is_name => Some(Usable::Name(candidate.address().to_ascii_lowercase(), port)),
        _ if is_name => None,
        _ => Some(candidate.addr()).filter(|address| is_unicast(*address)).map(Usable::Address),
    })
}

/// Whether a name is a UUID of version 4 in `.local`, as those of candidates are
/// (draft-ietf-mmusic-mdns-ice-candidates-03, section 3.1.1). Other names may be those of devices.
fn is_mdns_name(name: &str) -> bool {
    let Some(uuid) = name.strip_suffix(".local") else { return false };
    uuid.len() == 36
        && uuid.bytes().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => byte == b'-',
            14 => byte == b'4',
            19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
            _ => byte.is_ascii_hexdigit(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: usize) -> IceCredentials {
        IceCredentials { ufrag: format!("u{number}"), password: "p".to_owned() }
    }

    fn candidates() -> RemoteCandidates {
        let mut candidates = RemoteCandidates::default();
        candidates.start_generation(generation(0));
        candidates
    }

    fn host(address: &str, port: usize) -> String {
        format!("candidate:1 1 udp 2122260223 {address} {port} typ host")
    }

    fn name(number: usize) -> String {
        format!("8ad55c71-0000-4000-8000-{number:012}.local")
    }

    /// How many candidates are admitted.
    fn count(candidates: &mut RemoteCandidates, now: Instant, texts: impl Iterator<Item = String>) -> usize {
        texts.filter(|text| candidates.admit(now, text) == Ok(Admission::Admitted)).count()
    }

    #[test]
    fn candidates_that_no_check_can_or_may_reach_are_ignored() {
        for (text, expected) in [
            ("candidate:1 1 udp 1 192.0.2.7 5000 typ host generation 0 ufrag ab network-cost 10", Some(true)),
            ("1 1 UDP 1 2001:db8::7 5000 typ srflx raddr 0.0.0.0 rport 0", Some(true)),
            ("1 1 udp 1 192.0.2.7 5000 typ relay raddr 10.0.0.1 rport 9", Some(true)),
            ("1 1 udp 1 8ad55c71-0000-4000-8000-000000000001.local 5000 typ host", Some(true)),
            ("1 1 udp 1 8AD55C71-0000-4000-B000-00000000000F.local 5000 typ host", Some(true)),
            ("1 1 tcp 1 192.0.2.7 80 typ host tcptype passive", Some(false)),
            ("1 1 tcp 1 192.0.2.7 9 typ host tcptype active generation 0", Some(false)),
            ("1 1 ssltcp 1 192.0.2.7 443 typ relay raddr 0.0.0.0 rport 0", Some(false)),
            ("1 1 tcp 1 8ad55c71-0000-4000-8000-000000000001.local 9 typ host tcptype passive", Some(false)),
            ("1 2 udp 1 192.0.2.7 5000 typ host", Some(false)),
            ("1 1 udp 1 192.0.2.7 0 typ host", Some(false)),
            ("1 1 udp 1 192.0.2.7 5353 typ host", Some(false)),
            ("1 1 udp 1 224.0.0.251 5000 typ host", Some(false)),
            ("1 1 udp 1 255.255.255.255 5000 typ host", Some(false)),
            ("1 1 udp 1 0.0.0.0 5000 typ host", Some(false)),
            ("1 1 udp 1 ff02::1 5000 typ host", Some(false)),
            ("1 1 udp 1 ::ffff:224.0.0.1 5000 typ host", Some(false)),
            ("1 1 udp 1 printer.local 5000 typ host", Some(false)),
            ("1 1 udp 1 8ad55c71-0000-1000-8000-000000000001.local 5000 typ host", Some(false)),
            ("1 1 udp 1 8ad55c71-0000-4000-7000-000000000001.local 5000 typ host", Some(false)),
            ("1 1 udp 1 8ad55c71-0000-4000-8000-00000000001.local 5000 typ host", Some(false)),
            ("1 1 udp 1 8ad55c71-0000-4000-8000-000000000001.example 5000 typ host", Some(false)),
            ("1 1 udp 1 8ad55c71-0000-4000-8000-000000000001.local 5353 typ host", Some(false)),
            ("1 1 udp 1 8ad55c71-0000-4000-8000-000000000001.local 5000 typ srflx", None),
            ("1 1 udp 1 a.example 5000 typ host", Some(false)),
            ("1 1 udp 1 192.0.2.7 5000 typ other", None),
            ("1 1 udp x 192.0.2.7 5000 typ host", None),
            ("nonsense", None),
            ("candidate:", None),
        ] {
            let admitted = candidates().admit(Instant::now(), text).ok();
            assert_eq!(admitted.map(|admission| admission == Admission::Admitted), expected, "{text}");
        }
        let long = format!("{} {}", host("192.0.2.7", 5_000), "x".repeat(MAX_TEXT));
        assert_eq!(candidates().admit(Instant::now(), &long), Err(MalformedCandidate));
    }

    #[test]
    fn a_generation_has_64_candidates() {
        let (mut candidates, now) = (candidates(), Instant::now());
        let many = |first: usize| (first..first + 1_000).map(|port| host("192.0.2.7", port));
        assert_eq!(count(&mut candidates, now, many(1)), MAX_CANDIDATES);
        assert_eq!(count(&mut candidates, now, many(2_000)), 0);
        candidates.start_generation(generation(0));
        assert_eq!(count(&mut candidates, now, many(2_000)), 0, "the same credentials");
        candidates.start_generation(generation(1));
        assert_eq!(count(&mut candidates, now, many(2_000)), MAX_CANDIDATES);
    }

    #[test]
    fn a_repeated_candidate_counts_once() {
        let (mut candidates, now) = (candidates(), Instant::now());
        assert_eq!(count(&mut candidates, now, (0..1_000).map(|_| host("192.0.2.7", 5_000))), 1);
        assert_eq!(count(&mut candidates, now, (1..1_000).map(|port| host("192.0.2.8", port))), MAX_CANDIDATES - 1);
    }

    #[test]
    fn all_generations_together_have_a_limit() {
        let (mut candidates, now) = (candidates(), Instant::now());
        let admitted: usize = (0..1_000)
            .map(|number| {
                candidates.start_generation(generation(number));
                count(&mut candidates, now, (1..100).map(|port| host("192.0.2.7", port)))
            })
            .sum();
        assert_eq!(admitted, MAX_ALL_CANDIDATES);
    }

    #[test]
    fn eight_names_are_looked_up_for_a_generation_and_at_any_time() {
        let (mut candidates, start) = (candidates(), Instant::now());
        let many = |first: usize| (first..first + 100).map(|number| host(&name(number), 5_000));
        assert_eq!(count(&mut candidates, start, many(0)), MAX_LOOKUPS);
        candidates.start_generation(generation(1));
        assert_eq!(count(&mut candidates, start + LOOKUP_TIMEOUT / 2, many(100)), 0, "eight are still looked up");
        assert_eq!(count(&mut candidates, start + LOOKUP_TIMEOUT, many(200)), MAX_LOOKUPS);
        assert_eq!(
            count(&mut candidates, start + 3 * LOOKUP_TIMEOUT, many(300)),
            0,
            "the generation has had its eight"
        );
        assert_eq!(count(&mut candidates, start, std::iter::once(host("192.0.2.7", 1))), 1, "addresses need none");
    }
}
