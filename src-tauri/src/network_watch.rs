//! Network watch: detects another network address and the end of a sleep, after which a connection may be lost.
//!
//! Polled, because each operating system reports these events differently.

#[cfg(desktop)]
mod desktop;
#[cfg(mobile)]
mod phone;

use std::{
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
    async fn now() -> Self {
        // Fails only if the runtime stops.
        let addresses = tokio::task::spawn_blocking(interface_addresses).await.unwrap_or_default();
        Self { addresses, monotonic: Instant::now(), time_of_day: SystemTime::now() }
    }

    /// Whether a connection of the earlier state may be lost.
    fn differs_from(&self, before: &Self) -> bool {
        let slept = self.time_of_day.duration_since(before.time_of_day).is_ok_and(|time_of_day| {
            time_of_day.saturating_sub(self.monotonic.saturating_duration_since(before.monotonic)) > MIN_SLEEP
        });
        // Where the monotonic clock runs on during sleep, the check itself is late.
        let late = self.monotonic.saturating_duration_since(before.monotonic) > CHECK_INTERVAL + MIN_SLEEP;
        slept || late || self.addresses != before.addresses
    }
}

/// Starts the checks, until the receiver is dropped. It receives at most one pending event.
pub fn start() -> mpsc::Receiver<()> {
    let (sender, receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut checks = interval(CHECK_INTERVAL);
        checks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = NetworkState::now().await;
        loop {
            tokio::select! {
                _ = checks.tick() => {}
                () = sender.closed() => return,
            }
            let now = NetworkState::now().await;
            if now.differs_from(&last) {
                // Fails if an event is pending already.
                sender.try_send(()).ok();
            }
            last = now;
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
        let before = NetworkState::now().await;
        assert!(!after(&before, seconds(2), seconds(2)).differs_from(&before));
        assert!(!after(&before, seconds(2), seconds(3)).differs_from(&before), "a corrected clock");
        assert!(
            after(&before, seconds(2), seconds(22)).differs_from(&before),
            "a sleep that the monotonic clock skips"
        );
        assert!(after(&before, seconds(22), seconds(22)).differs_from(&before), "a sleep that it counts");
        let mut moved = after(&before, seconds(2), seconds(2));
        moved.addresses.push([192, 0, 2, 77].into());
        assert!(moved.differs_from(&before));
        let mut clock_set_back = after(&before, seconds(2), seconds(2));
        clock_set_back.time_of_day = before.time_of_day - seconds(3_600);
        assert!(!clock_set_back.differs_from(&before));
    }
}
