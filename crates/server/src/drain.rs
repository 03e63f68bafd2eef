//! How a server that is about to stop lets go of its clients: bit by bit.

use std::time::{Duration, Instant};

use hutong_protocol::RefusedCode;

use crate::hub::Hub;

/// How often some are told.
const STEP: Duration = Duration::from_millis(20);

/// Lets nobody in any more, and tells whoever is connected to come back, evenly over this time.
pub(crate) async fn drain(hub: &Hub, over: Duration) {
    hub.close_doors();
    // Not before: whoever reads this may ask `/readyz` at once.
    tracing::info!(users = hub.users_online(), "stopping, and telling clients over {over:?}");
    let connections = hub.connections();
    let start = Instant::now();
    let mut told = 0;
    while told < connections.len() {
        let due = due(connections.len(), start.elapsed(), over);
        for conn in connections.get(told..due).into_iter().flatten() {
            hub.refuse(*conn, RefusedCode::ShuttingDown);
        }
        told = told.max(due);
        if told < connections.len() {
            tokio::time::sleep(STEP).await;
        }
    }
}

/// How many of `all` are to be told by now. The first at once, the last before the end.
fn due(all: usize, elapsed: Duration, over: Duration) -> usize {
    if elapsed >= over {
        return all;
    }
    let part = elapsed.as_secs_f64() / over.as_secs_f64();
    ((part * all as f64) as usize + 1).min(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_told_evenly() {
        let over = Duration::from_secs(5);
        let at = |millis| due(1_000, Duration::from_millis(millis), over);
        assert_eq!([at(0), at(1_000), at(2_500), at(4_999), at(5_000), at(9_000)], [1, 201, 501, 1_000, 1_000, 1_000]);
        assert_eq!(due(1, Duration::ZERO, over), 1, "one alone waits for nobody");
        assert_eq!(due(0, Duration::ZERO, over), 0);
        assert_eq!(due(1_000, Duration::ZERO, Duration::ZERO), 1_000);
    }
}
