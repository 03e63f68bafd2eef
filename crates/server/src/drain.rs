//! Graceful shutdown: refuses logins and closes the connections evenly over a period.

use std::time::{Duration, Instant};

use hutong_protocol::RefusedCode;

use crate::hub::Hub;

/// Interval between two batches of connections. Short, so that clients reconnect to the successor one by one.
const BATCH_INTERVAL: Duration = Duration::from_millis(20);

/// Refuses further logins, and closes all connections as `shutting_down`, evenly over `period`.
pub(crate) async fn drain(hub: &Hub, period: Duration) {
    hub.close_login_gate();
    // Logged after the gate is closed: a reader of this line may expect `/readyz` to fail.
    tracing::info!(users = hub.users_online(), ?period, "server is stopping; closing its connections");
    let connections = hub.connections();
    let start = Instant::now();
    let mut closed = 0;
    while closed < connections.len() {
        let due = due_count(connections.len(), start.elapsed(), period);
        for conn in connections.get(closed..due).into_iter().flatten() {
            hub.refuse(*conn, RefusedCode::ShuttingDown);
        }
        closed = closed.max(due);
        if closed < connections.len() {
            tokio::time::sleep(BATCH_INTERVAL).await;
        }
    }
}

/// How many of `total` connections are closed after `elapsed`: the first at once, the last before the end of the period.
fn due_count(total: usize, elapsed: Duration, period: Duration) -> usize {
    if elapsed >= period {
        return total;
    }
    let fraction = elapsed.as_secs_f64() / period.as_secs_f64();
    ((fraction * total as f64) as usize + 1).min(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_closed_evenly() {
        let period = Duration::from_secs(5);
        let at = |millis| due_count(1_000, Duration::from_millis(millis), period);
        assert_eq!([at(0), at(1_000), at(2_500), at(4_999), at(5_000), at(9_000)], [1, 201, 501, 1_000, 1_000, 1_000]);
        assert_eq!(due_count(1, Duration::ZERO, period), 1, "a single connection is closed at once");
        assert_eq!(due_count(0, Duration::ZERO, period), 0);
        assert_eq!(due_count(1_000, Duration::ZERO, Duration::ZERO), 1_000);
    }
}
