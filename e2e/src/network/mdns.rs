//! Multicast DNS responder (RFC 6762) for one name: the part of a browser or system that resolves `.local` names.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsFd,
    thread,
};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};
use tokio::sync::oneshot;

use super::Namespace;
use crate::{Context, Result};

/// Multicast group and port of mDNS (RFC 6762, section 3).
const GROUP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(224, 0, 0, 251), 5_353);

/// Record type of an IPv4 address (RFC 1035, section 3.2.2).
const TYPE_A: u16 = 1;

/// Query type of all records.
const TYPE_ANY: u16 = 255;

/// Class of the internet with the cache-flush bit (RFC 6762, section 10.2).
const CLASS: u16 = 0x8001;

/// Time for which receivers may use a record, in seconds (RFC 6762, section 10).
const TTL: u32 = 120;

/// RAII guard of a responder. Dropping it stops the responder.
#[derive(Debug)]
pub struct MdnsResponder {
    _closed: oneshot::Sender<()>,
}

impl MdnsResponder {
    /// Answers queries for a name, such as `example.local`, with this address of the namespace.
    ///
    /// # Errors
    ///
    /// Returns an error when the port cannot be shared, or no interface has the address.
    pub async fn start(namespace: &Namespace, name: &str, address: Ipv4Addr) -> Result<Self> {
        let socket = namespace.run_inside(move || open_socket(address).context("opening the port of mDNS")).await?;
        socket.set_nonblocking(true)?;
        let (closed, closing) = oneshot::channel();
        let name = encode_name(name);
        thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async move {
                tokio::select! {
                    error = respond(socket, &name, address) => eprintln!("the mDNS responder failed: {error:?}"),
                    _ = closing => {}
                }
            });
        });
        Ok(Self { _closed: closed })
    }
}

/// A socket on the port of mDNS, which the namespace's browsers use too.
fn open_socket(address: Ipv4Addr) -> Result<UdpSocket> {
    let socket = net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
    sockopt::set_socket_reuseport(&socket, true)?;
    net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, GROUP.port()))?;
    sockopt::set_ip_add_membership(socket.as_fd(), GROUP.ip(), &address)?;
    sockopt::set_ip_multicast_if(socket.as_fd(), &address)?;
    Ok(socket.into())
}

async fn respond(socket: UdpSocket, name: &[u8], address: Ipv4Addr) -> io::Result<()> {
    let socket = tokio::net::UdpSocket::from_std(socket)?;
    let mut buffer = [0; 9_000];
    loop {
        let length = socket.recv(&mut buffer).await?;
        if let Some(response) = response(buffer.get(..length).unwrap_or_default(), name, address) {
            socket.send_to(&response, GROUP).await?;
        }
    }
}

/// Wire format of a name (RFC 1035, section 3.1).
fn encode_name(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes()));
    labels.chain([0]).collect()
}

/// The response to a query that asks for the name; `None` for other messages.
fn response(query: &[u8], name: &[u8], address: Ipv4Addr) -> Option<Vec<u8>> {
    let word = |at: usize| Some(u16::from_be_bytes([*query.get(at)?, *query.get(at + 1)?]));
    let is_response = word(2)? & 0x8000 != 0;
    if is_response {
        return None;
    }
    let mut at = 12;
    for _ in 0..word(4)? {
        let start = at;
        while query.get(at).is_some_and(|length| *length != 0) {
            at += 1 + usize::from(*query.get(at)?);
        }
        at += 1;
        let is_ours = query.get(start..at)?.eq_ignore_ascii_case(name);
        if is_ours && [TYPE_A, TYPE_ANY].contains(&word(at)?) {
            return Some(record(name, address));
        }
        at += 4;
    }
    None
}

/// A message with one record.
fn record(name: &[u8], address: Ipv4Addr) -> Vec<u8> {
    // An authoritative response with one answer.
    let mut message = vec![0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    message.extend(name);
    message.extend(TYPE_A.to_be_bytes());
    message.extend(CLASS.to_be_bytes());
    message.extend(TTL.to_be_bytes());
    message.extend([0, 4]);
    message.extend(address.octets());
    message
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);

    fn query(names: &[&str], kind: u16) -> Vec<u8> {
        let mut query = vec![0, 0, 0, 0, 0, names.len() as u8, 0, 0, 0, 0, 0, 0];
        for name in names {
            query.extend(encode_name(name));
            query.extend(kind.to_be_bytes());
            query.extend([0, 1]);
        }
        query
    }

    #[test]
    fn a_query_for_the_name_gets_its_address() {
        let name = encode_name("bo.local");
        let expected = [
            &[0, 0, 0x84, 0, 0, 0, 0, 1, 0, 0, 0, 0][..],
            b"\x02bo\x05local\x00",
            &[0, 1, 0x80, 1, 0, 0, 0, 120, 0, 4, 10, 77, 0, 2],
        ]
        .concat();
        for names in [&["bo.local"][..], &["BO.local"], &["other.local", "bo.local"]] {
            assert_eq!(response(&query(names, TYPE_A), &name, ADDRESS), Some(expected.clone()), "{names:?}");
        }
    }

    #[test]
    fn other_names_other_types_and_responses_get_no_answer() {
        let name = encode_name("bo.local");
        assert_eq!(response(&query(&["bo.local"], 28), &name, ADDRESS), None);
        assert_eq!(response(&query(&["ana.local"], TYPE_A), &name, ADDRESS), None);
        let own = response(&query(&["bo.local"], TYPE_A), &name, ADDRESS).unwrap();
        assert_eq!(response(&own, &name, ADDRESS), None);
    }

    proptest! {
        #[test]
        fn arbitrary_messages_do_not_panic(bytes: Vec<u8>) {
            response(&bytes, &encode_name("bo.local"), ADDRESS);
        }
    }
}
