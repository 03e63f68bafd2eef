//! Two people who call each other all the while.

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

use crate::common::{Client, Login};

/// What half of the calls take at most: the shortest time that the protocol gives anybody. How fast the server is, bench measures.
const MEDIAN: Duration = limits::ENDING;

/// What every call takes at most: later, the protocol itself ends it.
const LONGEST: Duration = limits::CALLING;

/// Between two calls, so that neither side sends more than the protocol allows.
const PAUSE: Duration = Duration::from_millis(150);

/// Two people in a thread of their own, so that what is measured is the server and not the attack's own work.
pub struct Others {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Delays>,
}

/// How long calls took from OFFERING to CALLING: three messages each way.
pub struct Delays(Vec<Duration>);

impl Others {
    /// Two people log in here and begin to call each other: they have had their first call when this returns.
    pub async fn arrive(address: SocketAddr) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let (told, called) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(call_each_other(address, told, &until))
        });
        called.await.expect("others could call each other");
        Self { over, thread }
    }

    /// They have had enough. Fails where calls were not set up, or only slowly.
    pub fn have_noticed_nothing(self, during: &str) {
        self.over.store(true, Ordering::Relaxed);
        let delays = self.thread.join().expect("others could call each other");
        println!("{during}: {delays}");
        assert!(delays.percentile(50) < MEDIAN && delays.percentile(100) < LONGEST, "{during}: {delays}");
    }
}

async fn call_each_other(address: SocketAddr, told: oneshot::Sender<()>, over: &AtomicBool) -> Delays {
    let (mut ana, _) = Client::login(address, "Ana, who has a call to make").await;
    let (mut bo, to) = Client::login(address, "Bo, who is called").await;
    let mut delays = vec![call(&mut ana, &mut bo, &to).await];
    told.send(()).unwrap();
    // One more after the attack: it may have left something behind.
    let mut is_last = false;
    while !is_last {
        is_last = over.load(Ordering::Relaxed);
        delays.push(call(&mut ana, &mut bo, &to).await);
        tokio::time::sleep(PAUSE).await;
    }
    delays.sort_unstable();
    Delays(delays)
}

async fn call(ana: &mut Client, bo: &mut Client, to: &Login) -> Duration {
    let (start, call) = loop {
        let start = Instant::now();
        ana.send(&ClientMessage::Offering { to: to.me.token, media: MediaKind::Video }).await;
        let answer = ana
            .wait_for(|message| match message {
                ServerMessage::Ringing { call, .. } => Some(Ok(call)),
                ServerMessage::Error { code, .. } => Some(Err(code)),
                _ => None,
            })
            .await;
        match answer {
            Ok(call) => break (start, call),
            // Bo has not let go of the last one yet.
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

impl Delays {
    fn percentile(&self, percent: usize) -> Duration {
        let place = (self.0.len() * percent).div_ceil(100).max(1) - 1;
        self.0.get(place).copied().unwrap_or_default()
    }
}

impl fmt::Display for Delays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, worst, longest) = (self.percentile(50), self.percentile(99), self.percentile(100));
        write!(f, "{} calls set up, in {median:.1?}, p99 {worst:.1?}, at most {longest:.1?}", self.0.len())
    }
}
