//! Counter family: one counter for each value of a label, from a closed list.

use prometheus_client::metrics::{counter::Counter, family::Family};

/// Name and value of the label.
type Label = [(&'static str, &'static str); 1];

/// Counters by key, read without a lock. All exist from the start at zero, so that `rate()` sees the first event.
#[derive(Debug)]
pub(crate) struct CounterFamily<K>(Vec<(K, Counter)>);

impl<K: Copy + PartialEq> CounterFamily<K> {
    pub(super) fn new(label: &'static str, values: &[(K, &'static str)]) -> (Self, Family<Label, Counter>) {
        let family = Family::<Label, Counter>::default();
        let counters =
            values.iter().map(|(key, value)| (*key, family.get_or_create_owned(&[(label, *value)]))).collect();
        (Self(counters), family)
    }

    /// Adds one. Ignores a key that is not in the list.
    pub(crate) fn inc(&self, key: K) {
        if let Some((_, counter)) = self.0.iter().find(|(other, _)| *other == key) {
            counter.inc();
        }
    }
}
