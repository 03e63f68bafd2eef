//! Limits of the number of TCP and TLS connections to the TURN server.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::addr_prefix::AddrPrefix;

/// Connections in all.
pub(crate) const MAX_STREAMS: usize = 4_096;

/// Connections without an allocation: anybody can open one, and has it for 20 s.
const MAX_UNALLOCATED: usize = 1_024;

/// Connections without an allocation from one address prefix. Real clients have none for longer than a few round trips.
const MAX_UNALLOCATED_PER_PREFIX: usize = 128;

/// The connections that are open.
#[derive(Debug, Default)]
pub(super) struct StreamSlots(Mutex<OpenStreams>);

#[derive(Debug, Default)]
struct OpenStreams {
    all: usize,
    unallocated: usize,
    unallocated_by_prefix: HashMap<AddrPrefix, usize>,
}

/// RAII guard of the place of one connection.
#[derive(Debug)]
pub(super) struct StreamSlot {
    slots: Arc<StreamSlots>,
    prefix: AddrPrefix,
    kind: SlotKind,
}

/// Whether a connection's client has an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotKind {
    /// It has none.
    Unallocated,
    /// It has one, so it has proved its credentials.
    Allocated,
}

impl StreamSlots {
    /// A place for a new connection. `None` if there is none.
    pub(super) fn acquire(self: &Arc<Self>, prefix: AddrPrefix) -> Option<StreamSlot> {
        let mut open = self.lock();
        let of_prefix = open.unallocated_by_prefix.get(&prefix).copied().unwrap_or_default();
        let has_room =
            open.all < MAX_STREAMS && open.unallocated < MAX_UNALLOCATED && of_prefix < MAX_UNALLOCATED_PER_PREFIX;
        if !has_room {
            return None;
        }
        open.all += 1;
        open.add_unallocated(prefix);
        drop(open);
        Some(StreamSlot { slots: self.clone(), prefix, kind: SlotKind::Unallocated })
    }

    fn lock(&self) -> MutexGuard<'_, OpenStreams> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenStreams {
    fn add_unallocated(&mut self, prefix: AddrPrefix) {
        self.unallocated += 1;
        *self.unallocated_by_prefix.entry(prefix).or_default() += 1;
    }

    fn remove_unallocated(&mut self, prefix: AddrPrefix) {
        self.unallocated -= 1;
        if let Some(count) = self.unallocated_by_prefix.get_mut(&prefix) {
            *count -= 1;
            if *count == 0 {
                self.unallocated_by_prefix.remove(&prefix);
            }
        }
    }
}

impl StreamSlot {
    /// Sets whether the client has an allocation now.
    pub(super) fn set_kind(&mut self, kind: SlotKind) {
        if kind == self.kind {
            return;
        }
        let mut open = self.slots.lock();
        match kind {
            SlotKind::Unallocated => open.add_unallocated(self.prefix),
            SlotKind::Allocated => open.remove_unallocated(self.prefix),
        }
        drop(open);
        self.kind = kind;
    }
}

impl Drop for StreamSlot {
    fn drop(&mut self) {
        let mut open = self.slots.lock();
        open.all -= 1;
        if self.kind == SlotKind::Unallocated {
            open.remove_unallocated(self.prefix);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::iter;

    use super::*;

    fn prefix(number: usize) -> AddrPrefix {
        AddrPrefix::of([192, 0, 2, u8::try_from(number).unwrap()].into())
    }

    fn acquire_all(slots: &Arc<StreamSlots>, from: usize) -> Vec<StreamSlot> {
        iter::from_fn(|| slots.acquire(prefix(from))).collect()
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
        assert_eq!((open.all, open.unallocated, open.unallocated_by_prefix.len()), (0, 0, 0));
    }

    #[test]
    fn the_number_of_all_connections_is_limited() {
        let slots = Arc::new(StreamSlots::default());
        let mut held = Vec::new();
        while let Some(mut slot) = slots.acquire(prefix(1)) {
            slot.set_kind(SlotKind::Allocated);
            held.push(slot);
        }
        assert_eq!(held.len(), MAX_STREAMS);
    }
}
