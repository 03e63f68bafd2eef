//! Counts of what clients hold open, such as connections: per address prefix, and per IPv6 site.

use std::{
    collections::{HashMap, hash_map::Entry},
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::addr_prefix::{AddrPrefix, SitePrefix};

/// How many times the slots of one IPv6 /64 all prefixes of a /48 have together. Smaller than for rates: with the defaults one
/// rented /48 then takes less than half of a server's places.
const SITE_FACTOR: usize = 2;

/// Slots per address prefix, and per IPv6 site. Holds an entry only for what has a slot.
#[derive(Debug)]
pub(crate) struct SlotCounts {
    per_prefix: usize,
    taken: Mutex<TakenSlots>,
}

#[derive(Debug, Default)]
struct TakenSlots {
    by_prefix: HashMap<AddrPrefix, usize>,
    by_site: HashMap<SitePrefix, usize>,
}

impl TakenSlots {
    fn add(&mut self, prefix: AddrPrefix) {
        *self.by_prefix.entry(prefix).or_default() += 1;
        if let Some(site) = prefix.site() {
            *self.by_site.entry(site).or_default() += 1;
        }
    }
}

/// RAII guard: one slot of an address prefix and of its site. Released on drop. Empty for exempt addresses.
#[derive(Debug)]
pub(crate) struct SlotGuard(Option<(Arc<SlotCounts>, AddrPrefix)>);

impl SlotCounts {
    /// `per_prefix`: slots that one address prefix may have.
    pub(crate) fn new(per_prefix: usize) -> Arc<Self> {
        Arc::new(Self { per_prefix, taken: Mutex::default() })
    }

    /// Takes a slot, also beyond the limit.
    pub(crate) fn acquire_always(self: &Arc<Self>, address: IpAddr) -> SlotGuard {
        let prefix = AddrPrefix::of(address);
        self.lock().add(prefix);
        SlotGuard(Some((self.clone(), prefix)))
    }

    /// Takes a slot. `None` if the address's prefix or site has too many; no limit applies without an address.
    pub(crate) fn acquire(self: &Arc<Self>, address: Option<IpAddr>) -> Option<SlotGuard> {
        let Some(prefix) = address.map(AddrPrefix::of) else { return Some(SlotGuard(None)) };
        let mut taken = self.lock();
        let count = |count: Option<&usize>| count.copied().unwrap_or_default();
        if count(taken.by_prefix.get(&prefix)) >= self.per_prefix {
            return None;
        }
        if let Some(site) = prefix.site()
            && count(taken.by_site.get(&site)) >= self.per_prefix.saturating_mul(SITE_FACTOR)
        {
            return None;
        }
        taken.add(prefix);
        drop(taken);
        Some(SlotGuard(Some((self.clone(), prefix))))
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let taken = self.lock();
        taken.by_prefix.is_empty() && taken.by_site.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, TakenSlots> {
        // No code under this lock can panic halfway through a change.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SlotGuard {
    fn drop(&mut self) {
        let Some((counts, prefix)) = self.0.take() else { return };
        let mut taken = counts.lock();
        release(&mut taken.by_prefix, prefix);
        if let Some(site) = prefix.site() {
            release(&mut taken.by_site, site);
        }
    }
}

fn release<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K) {
    if let Entry::Occupied(mut count) = counts.entry(key) {
        *count.get_mut() -= 1;
        if *count.get() == 0 {
            count.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(site: u16, subnet: u16, host: u16) -> Option<IpAddr> {
        Some(format!("2001:db8:{site:x}:{subnet:x}::{host:x}").parse().unwrap())
    }

    #[test]
    fn slots_are_limited_per_prefix_and_unlimited_without_an_address() {
        let slots = SlotCounts::new(3);
        let mut open: Vec<_> = (0..3).map(|host| slots.acquire(address(1, 1, host)).unwrap()).collect();
        assert!(slots.acquire(address(1, 1, 77)).is_none());
        let _other = slots.acquire(Some("192.0.2.1".parse().unwrap())).unwrap();
        assert!((0..100).all(|_| slots.acquire(None).is_some()));
        open.pop();
        assert!(slots.acquire(address(1, 1, 77)).is_some());
        assert!(SlotCounts::new(0).acquire(address(1, 1, 1)).is_none());
    }

    #[test]
    fn all_prefixes_of_a_site_have_twice_the_slots_of_one() {
        let slots = SlotCounts::new(3);
        let mut open: Vec<_> = (0..6).map(|subnet| slots.acquire(address(1, subnet, 1)).unwrap()).collect();
        assert!(slots.acquire(address(1, 77, 1)).is_none());
        let other = slots.acquire(address(2, 77, 1)).unwrap();
        open.pop();
        open.push(slots.acquire(address(1, 77, 1)).unwrap());
        drop((open, other));
        assert!(slots.is_empty());
    }

    #[test]
    fn ipv4_addresses_have_no_second_tier() {
        let slots = SlotCounts::new(1);
        let open: Vec<_> = (0..100).map(|host: u8| slots.acquire(Some([192, 0, 2, host].into())).unwrap()).collect();
        assert_eq!(open.len(), 100);
    }

    proptest! {
        #[test]
        fn connections_from_random_prefixes_of_one_site_are_bounded_and_released(
            steps in prop::collection::vec((any::<bool>(), any::<u16>()), 1..300),
        ) {
            let slots = SlotCounts::new(4);
            let mut open = Vec::new();
            for (opens, subnet) in steps {
                if opens {
                    let acquired = slots.acquire(address(1, subnet, 1));
                    prop_assert!(acquired.is_some() || open.len() >= 4);
                    open.extend(acquired);
                } else if !open.is_empty() {
                    open.swap_remove(usize::from(subnet) % open.len());
                }
                prop_assert!(open.len() <= 8);
            }
            drop(open);
            prop_assert!(slots.is_empty());
        }
    }
}
