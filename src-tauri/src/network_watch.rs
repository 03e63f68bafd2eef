//! Network watch: detects another network address and the end of a sleep, after which a connection may be lost.
//!
//! Polled, because each operating system reports these events differently.

#[cfg(desktop)]
mod desktop;
#[cfg(mobile)]
mod phone;

use std::{
    mem,
    net::IpAddr,
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval},
};

#[cfg(desktop)]
use desktop::interface_addresses;
#[cfg(mobile)]
use phone::interface_addresses;

/// Interval of the checks. A listing of the interfaces takes about 0.1 ms.
const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// By how much the time of day must outrun the monotonic clock to count as a sleep. Clock corrections are smaller, and a
/// false alarm costs one message to the server.
const MIN_SLEEP: Duration = Duration::from_secs(3);

/// An event after which a connection may be lost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkChange {
    /// Addresses that the computer no longer has: connections that use one of them are lost.
    pub lost_addresses: Vec<IpAddr>,
}

/// What a check compares with the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NetworkState {
    /// Of all interfaces, sorted.
    addresses: Vec<IpAddr>,
    /// Stands still during sleep, on most systems.
    monotonic: Instant,
    time_of_day: SystemTime,
}

impl NetworkState {
    /// The state now. Without a listing of the interfaces the addresses are those of `before`.
    async fn now(before: &[IpAddr]) -> Self {
        // Fails only if the runtime stops.
        let listed = tokio::task::spawn_blocking(interface_addresses).await.ok().flatten();
        let addresses = listed.unwrap_or_else(|| before.to_vec());
        Self { addresses, monotonic: Instant::now(), time_of_day: SystemTime::now() }
    }

    /// The change since the earlier state; `None` if no connection can be lost by it.
    fn change_since(&self, before: &Self) -> Option<NetworkChange> {
        let slept = self.time_of_day.duration_since(before.time_of_day).is_ok_and(|time_of_day| {
            time_of_day.saturating_sub(self.monotonic.saturating_duration_since(before.monotonic)) > MIN_SLEEP
        });
        // Where the monotonic clock runs on during sleep, the check itself is late.
        let late = self.monotonic.saturating_duration_since(before.monotonic) > CHECK_INTERVAL + MIN_SLEEP;
        let is_gone = |address: &&IpAddr| !self.addresses.contains(address);
        let lost_addresses = before.addresses.iter().filter(is_gone).copied().collect();
        (slept || late || self.addresses != before.addresses).then_some(NetworkChange { lost_addresses })
    }
}

/// Starts the checks, until the receiver is dropped. Changes that are not received at once are merged.
pub fn start() -> mpsc::Receiver<NetworkChange> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = NetworkState::now(&[]).await;
        let mut pending: Option<NetworkChange> = None;
        loop {
            tokio::select! {
                _ = checks.tick() => {
                    let now = NetworkState::now(&last.addresses).await;
                    if let Some(change) = now.change_since(&last) {
                        let pending = pending.get_or_insert_default();
                        pending.lost_addresses.extend(change.lost_addresses);
                        pending.lost_addresses.retain(|address| !now.addresses.contains(address));
                    }
                    last = now;
                }
                permit = sender.reserve(), if pending.is_some() => match permit {
                    Ok(permit) => permit.send(mem::take(&mut pending).unwrap_or_default()),
                    Err(_) => return,
                },
                () = sender.closed() => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The state after this much monotonic time and time of day.
    fn after(before: &NetworkState, monotonic: Duration, time_of_day: Duration) -> NetworkState {
        NetworkState {
            addresses: before.addresses.clone(),
            monotonic: before.monotonic + monotonic,
            time_of_day: before.time_of_day + time_of_day,
        }
    }

    #[tokio::test]
    async fn another_address_or_a_sleep_is_an_event() {
        let before = NetworkState::now(&[]).await;
        let change = |monotonic, time_of_day| after(&before, monotonic, time_of_day).change_since(&before);
        let kept = Some(NetworkChange::default());
        assert_eq!(change(seconds(2), seconds(2)), None);
        assert_eq!(change(seconds(2), seconds(3)), None, "a corrected clock");
        assert_eq!(change(seconds(2), seconds(22)), kept, "a sleep that the monotonic clock skips");
        assert_eq!(change(seconds(22), seconds(22)), kept, "a sleep that it counts");
        let mut clock_set_back = after(&before, seconds(2), seconds(2));
        clock_set_back.time_of_day = before.time_of_day - seconds(3_600);
        assert_eq!(clock_set_back.change_since(&before), None);

        let address = IpAddr::from([192, 0, 2, 77]);
        let mut joined = after(&before, seconds(2), seconds(2));
        joined.addresses.push(address);
        assert_eq!(joined.change_since(&before), kept, "a new address");
        let left = after(&joined, seconds(2), seconds(2));
        let left = NetworkState { addresses: before.addresses.clone(), ..left };
        assert_eq!(left.change_since(&joined), Some(NetworkChange { lost_addresses: vec![address] }));
    }
}
