//! A family of counters: one for each word of a closed list.

use prometheus_client::metrics::{counter::Counter, family::Family};

/// The label of a series.
type Label = [(&'static str, &'static str); 1];

/// A counter for each key, found without a lock. All are there from the start, at zero: a rate can be taken of the first event.
#[derive(Debug)]
pub(crate) struct CounterFamily<K>(Vec<(K, Counter)>);

impl<K: Copy + PartialEq> CounterFamily<K> {
    pub(super) fn new(label: &'static str, words: &[(K, &'static str)]) -> (Self, Family<Label, Counter>) {
        let family = Family::<Label, Counter>::default();
        let counters = words.iter().map(|(key, word)| (*key, family.get_or_create_owned(&[(label, *word)]))).collect();
        (Self(counters), family)
    }

    /// One more. A key that is not in the list, such as a code of a newer protocol, is not counted.
    pub(crate) fn count(&self, key: K) {
        if let Some((_, counter)) = self.0.iter().find(|(other, _)| *other == key) {
            counter.inc();
        }
    }
}
