//! One allocation: its permissions and channels (RFC 8656, sections 2.2 to 2.5).

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use stun_types::message::TransactionId;

use crate::token_bucket::{Allowance, TokenBucket};

/// How long a permission is valid (RFC 8656, section 9).
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);

/// How long a channel binding is valid (RFC 8656, section 12).
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// Permissions of one allocation. All peers share the server's few addresses.
const MAX_PERMISSIONS: usize = 16;

/// Channels of one allocation. A client binds one for each relayed candidate that it tries.
const MAX_CHANNELS: usize = 64;

/// Requests of one allocation: at the start of a call a few for each candidate of the peer, then some in five minutes.
const REQUESTS: Allowance = Allowance { burst: 200.0, per_second: 20.0 };

/// Channel numbers of clients: RFC 8656 has the first quarter of them, RFC 5766, which some clients still follow, all.
const CHANNELS: std::ops::RangeInclusive<u16> = 0x4000..=0x7FFE;

/// Identifies a user with allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserId(pub u64);

/// One client's allocation.
#[derive(Debug)]
pub struct Allocation {
    /// The virtual address at which peers reach the client.
    pub relayed: SocketAddr,
    pub user: UserId,
    /// The transaction that created it, to recognize a retransmission.
    pub transaction: TransactionId,
    pub expires: Instant,
    requests: TokenBucket,
    permissions: Vec<(IpAddr, Instant)>,
    channels: Vec<Channel>,
}

#[derive(Clone, Copy, Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires: Instant,
}

/// Why a request cannot change an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeError {
    /// The channel number is invalid or bound to another peer, or the peer to another number.
    Contradiction,
    /// There are too many already.
    Full,
}

impl Allocation {
    /// An allocation that is made `now`.
    pub const fn new(
        relayed: SocketAddr,
        user: UserId,
        transaction: TransactionId,
        now: Instant,
        expires: Instant,
    ) -> Self {
        let requests = TokenBucket::full(REQUESTS, now);
        Self { relayed, user, transaction, expires, requests, permissions: Vec::new(), channels: Vec::new() }
    }

    /// Whether to look at one more request of the client.
    pub fn take_request(&mut self, now: Instant) -> bool {
        self.requests.take(REQUESTS, now)
    }

    /// Creates or refreshes the permission for this address.
    pub fn permit(&mut self, peer: IpAddr, now: Instant) -> Result<(), ChangeError> {
        let expires = now + PERMISSION_LIFETIME;
        if let Some(permission) = self.permissions.iter_mut().find(|(address, _)| *address == peer) {
            permission.1 = expires;
            return Ok(());
        }
        self.permissions.retain(|(_, expires)| *expires > now);
        if self.permissions.len() >= MAX_PERMISSIONS {
            return Err(ChangeError::Full);
        }
        self.permissions.push((peer, expires));
        Ok(())
    }

    /// Whether packets from and to this address are permitted.
    pub fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.iter().any(|(address, expires)| *address == peer && *expires > now)
    }

    /// Binds a channel to a peer, or refreshes the binding, and the permission for the peer.
    pub fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) -> Result<(), ChangeError> {
        if !CHANNELS.contains(&number) {
            return Err(ChangeError::Contradiction);
        }
        self.channels.retain(|channel| channel.expires > now);
        let expires = now + CHANNEL_LIFETIME;
        if let Some(channel) = self.channels.iter_mut().find(|channel| channel.number == number || channel.peer == peer)
        {
            if (channel.number, channel.peer) != (number, peer) {
                return Err(ChangeError::Contradiction);
            }
            channel.expires = expires;
        } else if self.channels.len() >= MAX_CHANNELS {
            return Err(ChangeError::Full);
        } else {
            self.channels.push(Channel { number, peer, expires });
        }
        self.permit(peer.ip(), now)
    }

    /// The peer that a channel is bound to.
    pub fn peer_of(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let channel = self.channels.iter().find(|channel| channel.number == number)?;
        (channel.expires > now).then_some(channel.peer)
    }

    /// The channel that a peer is bound to.
    pub fn channel_of(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let channel = self.channels.iter().find(|channel| channel.peer == peer)?;
        (channel.expires > now).then_some(channel.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allocation(now: Instant) -> Allocation {
        let relayed = "203.0.113.1:50000".parse().unwrap();
        Allocation::new(relayed, UserId(1), 7.into(), now, now + CHANNEL_LIFETIME)
    }

    #[test]
    fn a_permission_is_for_one_address_and_expires() {
        let start = Instant::now();
        let mut allocation = allocation(start);
        let [peer, other] = ["203.0.113.1", "203.0.113.2"].map(|text| text.parse().unwrap());
        allocation.permit(peer, start).unwrap();
        assert!(allocation.permits(peer, start) && !allocation.permits(other, start));
        let last = start + PERMISSION_LIFETIME - Duration::from_millis(1);
        assert!(allocation.permits(peer, last));
        allocation.permit(peer, last).unwrap();
        assert!(allocation.permits(peer, start + PERMISSION_LIFETIME));
        assert!(!allocation.permits(peer, last + PERMISSION_LIFETIME));
    }

    #[test]
    fn expired_permissions_make_room() {
        let start = Instant::now();
        let mut allocation = allocation(start);
        let peer = |number: usize| IpAddr::from([203, 0, 113, u8::try_from(number).unwrap()]);
        (0..MAX_PERMISSIONS).for_each(|number| allocation.permit(peer(number), start).unwrap());
        assert_eq!(allocation.permit(peer(99), start), Err(ChangeError::Full));
        assert_eq!(allocation.permit(peer(99), start + PERMISSION_LIFETIME), Ok(()));
    }

    #[test]
    fn a_channel_is_bound_to_one_peer_until_it_expires() {
        let start = Instant::now();
        let mut allocation = allocation(start);
        let [peer, other] = ["203.0.113.1:1", "203.0.113.1:2"].map(|text| text.parse().unwrap());
        for (number, to, result) in [
            (0x4000, peer, Ok(())),
            (0x4000, peer, Ok(())),
            (0x4000, other, Err(ChangeError::Contradiction)),
            (0x4001, peer, Err(ChangeError::Contradiction)),
            (0x4001, other, Ok(())),
            (0x3FFF, other, Err(ChangeError::Contradiction)),
            (0x7FFF, other, Err(ChangeError::Contradiction)),
        ] {
            assert_eq!(allocation.bind(number, to, start), result, "{number:x} {to}");
        }
        assert_eq!(allocation.peer_of(0x4000, start), Some(peer));
        assert_eq!(allocation.channel_of(other, start), Some(0x4001));
        assert!(allocation.permits(peer.ip(), start));
        let later = start + CHANNEL_LIFETIME;
        assert_eq!((allocation.peer_of(0x4000, later), allocation.channel_of(other, later)), (None, None));
        assert_eq!(allocation.bind(0x4000, other, later), Ok(()));
    }

    #[test]
    fn the_number_of_channels_is_limited() {
        let start = Instant::now();
        let mut allocation = allocation(start);
        for number in 0..=64_u16 {
            let bound = allocation.bind(0x4000 + number, SocketAddr::from(([203, 0, 113, 1], number)), start);
            assert_eq!(bound.is_ok(), number < 64, "{number}");
        }
    }
}
