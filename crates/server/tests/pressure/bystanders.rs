//! Two users who keep calling each other during an attack, and the delays of their calls.

use std::{
    fmt,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use hutong_protocol::{CancelReason, ClientMessage, ErrorCode, MediaKind, ServerMessage, limits};
use tokio::sync::oneshot;

use crate::common::{LoginReply, TestClient};

/// Upper bound of the median set-up delay: the shortest timeout of the protocol. The benchmarks measure the actual speed.
const MAX_MEDIAN: Duration = limits::ENDING_TIMEOUT;

/// Upper bound of each set-up delay: the protocol ends a call that takes longer.
const MAX_DELAY: Duration = limits::CALLING_TIMEOUT;

/// Pause between two calls, to stay within the rate limit.
const PAUSE: Duration = Duration::from_millis(150);

/// Two calling users on their own thread, so that the attack's own CPU work does not delay them.
pub struct Bystanders {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<SetupDelays>,
}

/// Delays from OFFERING to CALLING: three messages each way.
pub struct SetupDelays(Vec<Duration>);

impl Bystanders {
    /// Logs in two users who call each other until [`assert_unaffected`](Self::assert_unaffected). Returns after their first call.
    pub async fn start(address: SocketAddr) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stop_flag = stop.clone();
        let (first_call, called) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(call_each_other(address, first_call, &stop_flag))
        });
        called.await.expect("bystanders can call each other");
        Self { stop, thread }
    }

    /// Stops the calls. Panics if calls failed or were slow.
    pub fn assert_unaffected(self, during: &str) {
        self.stop.store(true, Ordering::Relaxed);
        let delays = self.thread.join().expect("bystanders can call each other");
        println!("{during}: {delays}");
        assert!(delays.percentile(50) < MAX_MEDIAN && delays.percentile(100) < MAX_DELAY, "{during}: {delays}");
    }
}

async fn call_each_other(address: SocketAddr, first_call: oneshot::Sender<()>, stop: &AtomicBool) -> SetupDelays {
    let (mut ana, _) = TestClient::login(address, "Ana the caller").await;
    let (mut bo, to) = TestClient::login(address, "Bo the target").await;
    let mut delays = vec![call(&mut ana, &mut bo, &to).await];
    first_call.send(()).unwrap();
    // One more call after the attack, which may have left damage behind.
    let mut is_last = false;
    while !is_last {
        is_last = stop.load(Ordering::Relaxed);
        delays.push(call(&mut ana, &mut bo, &to).await);
        tokio::time::sleep(PAUSE).await;
    }
    delays.sort_unstable();
    SetupDelays(delays)
}

async fn call(ana: &mut TestClient, bo: &mut TestClient, to: &LoginReply) -> Duration {
    let (start, call) = loop {
        let start = Instant::now();
        ana.send(&ClientMessage::Offering { to: to.me.token, media: MediaKind::Video }).await;
        let reply = ana
            .wait_for(|message| match message {
                ServerMessage::Ringing { call, .. } => Some(Ok(call)),
                ServerMessage::Error { code, .. } => Some(Err(code)),
                _ => None,
            })
            .await;
        match reply {
            Ok(call) => break (start, call),
            // Bo has not released the previous call yet.
            Err(code) => assert_eq!(code, ErrorCode::Busy),
        }
        tokio::time::sleep(PAUSE / 3).await;
    };
    bo.wait_for(|message| matches!(message, ServerMessage::Offering { .. }).then_some(())).await;
    bo.send(&ClientMessage::Confirm { call, sdp: "v=0 offer".into() }).await;
    ana.wait_for(|message| matches!(message, ServerMessage::Confirm { .. }).then_some(())).await;
    ana.send(&ClientMessage::Calling { call, sdp: "v=0 answer".into() }).await;
    bo.wait_for(|message| matches!(message, ServerMessage::Calling { .. }).then_some(())).await;
    let took = start.elapsed();
    ana.send(&ClientMessage::Cancel { call, reason: CancelReason::Hangup }).await;
    ana.send(&ClientMessage::Released { call }).await;
    bo.wait_for(|message| matches!(message, ServerMessage::Ended { .. }).then_some(())).await;
    bo.send(&ClientMessage::Released { call }).await;
    took
}

impl SetupDelays {
    fn percentile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(index).copied().unwrap_or_default()
    }
}

impl fmt::Display for SetupDelays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p99, max) = (self.percentile(50), self.percentile(99), self.percentile(100));
        write!(f, "{} calls set up, median {median:.1?}, p99 {p99:.1?}, max {max:.1?}", self.0.len())
    }
}
