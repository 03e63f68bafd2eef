//! Limits of the number of TCP and TLS connections to the TURN server.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::slot_counts::{SlotCounts, SlotGuard};

/// Connections in all.
pub(crate) const MAX_STREAMS: usize = 4_096;

/// Connections without an allocation: anybody can open one, and has it for 20 s.
const MAX_UNALLOCATED: usize = 1_024;

/// Connections without an allocation from one address prefix; an IPv6 site has twice as many. Real clients have none for longer
/// than a few round trips.
const MAX_UNALLOCATED_PER_PREFIX: usize = 128;

/// The connections that are open.
#[derive(Debug)]
pub(super) struct StreamSlots {
    open: Mutex<OpenStreams>,
    unallocated_by_prefix: Arc<SlotCounts>,
}

#[derive(Debug, Default)]
struct OpenStreams {
    all: usize,
    unallocated: usize,
}

/// RAII guard of the place of one connection.
#[derive(Debug)]
pub(super) struct StreamSlot {
    slots: Arc<StreamSlots>,
    address: IpAddr,
    /// While the connection has no allocation.
    unallocated: Option<SlotGuard>,
}

/// Whether a connection's client has an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// It has none.
    Unallocated,
    /// It has one, so it has proved its credentials.
    Allocated,
}

impl Default for StreamSlots {
    fn default() -> Self {
        Self { open: Mutex::default(), unallocated_by_prefix: SlotCounts::new(MAX_UNALLOCATED_PER_PREFIX) }
    }
}

impl StreamSlots {
    /// A place for a new connection from this address. `None` if there is none.
    pub(super) fn acquire(self: &Arc<Self>, address: IpAddr) -> Option<StreamSlot> {
        let mut open = self.lock();
        if open.all >= MAX_STREAMS || open.unallocated >= MAX_UNALLOCATED {
            return None;
        }
        let unallocated = Some(self.unallocated_by_prefix.acquire(Some(address))?);
        open.all += 1;
        open.unallocated += 1;
        drop(open);
        Some(StreamSlot { slots: self.clone(), address, unallocated })
    }

    fn lock(&self) -> MutexGuard<'_, OpenStreams> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StreamSlot {
    /// Sets whether the client has an allocation now.
    pub(super) fn set_kind(&mut self, kind: SlotKind) {
        match (kind, &self.unallocated) {
            (SlotKind::Unallocated, None) => {
                self.slots.lock().unallocated += 1;
                self.unallocated = Some(self.slots.unallocated_by_prefix.acquire_always(self.address));
            }
            (SlotKind::Allocated, Some(_)) => {
                self.slots.lock().unallocated -= 1;
                self.unallocated = None;
            }
            (SlotKind::Unallocated, Some(_)) | (SlotKind::Allocated, None) => {}
        }
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        open.all -= 1;
        open.unallocated -= usize::from(self.unallocated.is_some());
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn address(number: usize) -> IpAddr {
        [192, 0, 2, u8::try_from(number).unwrap()].into()
    }

    fn acquire_all(slots: &Arc<StreamSlots>, from: usize) -> Vec<StreamSlot> {
        iter::from_fn(|| slots.acquire(address(from))).collect()
    }

    #[test]
    fn connections_without_an_allocation_leave_places_for_others() {
        let slots = Arc::new(StreamSlots::default());
        let mut held: Vec<_> = (0..20).map(|from| acquire_all(&slots, from)).collect();
        let counts: Vec<_> = held.iter().map(Vec::len).collect();
        assert_eq!(&counts[..9], [128, 128, 128, 128, 128, 128, 128, 128, 0]);
        held[0][0].set_kind(SlotKind::Allocated);
        held[0][1].set_kind(SlotKind::Allocated);
        held[0][1].set_kind(SlotKind::Unallocated);
        assert_eq!(acquire_all(&slots, 9).len(), 1);
        held.clear();
        let open = slots.lock();
        assert_eq!((open.all, open.unallocated), (0, 0));
        assert!(slots.unallocated_by_prefix.is_empty());
    }

    #[test]
    fn one_ipv6_site_leaves_places_for_others_whatever_its_prefixes() {
        let slots = Arc::new(StreamSlots::default());
        let in_site = |site: u16, prefix| slots.acquire([0x2001, 0xdb8, site, prefix, 0, 0, 0, 1].into());
        let mut held: Vec<_> = (0..1_000).map_while(|prefix| in_site(1, prefix)).collect();
        assert_eq!(held.len(), 256);
        let other = in_site(2, 0).unwrap();
        held[0].set_kind(SlotKind::Allocated);
        held.push(in_site(1, 1_000).unwrap());
        // It keeps its connection after its allocation has ended, whatever the others have taken.
        held[0].set_kind(SlotKind::Unallocated);
        assert!(in_site(1, 1_001).is_none());
        drop((held, other));
        assert!(slots.unallocated_by_prefix.is_empty());
    }

    #[test]
    fn the_number_of_all_connections_is_limited() {
        let slots = Arc::new(StreamSlots::default());
        let mut held = Vec::new();
        while let Some(mut slot) = slots.acquire(address(1)) {
            slot.set_kind(SlotKind::Allocated);
            held.push(slot);
        }
        assert_eq!(held.len(), MAX_STREAMS);
    }
}
