//! What is lost on the way is sent again, once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hutong_media::{Candidate, Kind};
use tokio::net::UdpSocket;

/// How many frames are looked at.
const FRAMES: u64 = 250;
/// One of so many packets of the picture is lost.
const LOST: u64 = 25;

#[tokio::test]
async fn no_frame_is_lost_with_a_packet() {
    let mut offering = common::side(common::config()).await;
    let mut answering = common::side(common::config()).await;
    let path = Path::new().await;
    let offer = offering.peer.offer().await.unwrap();
    // The answerer learns the way back from what arrives.
    let end = |_| Candidate { candidate: String::new(), mid: None, m_line: Some(0), username_fragment: None };
    common::connect(&mut offering, &mut answering, &offer, end, |candidate| path.instead(candidate)).await;

    let send = async {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        // More than are looked at: a loss is noticed by what follows.
        for number in 0..FRAMES + 50 {
            pace.tick().await;
            offering.peer.send_video(common::picture(number, number == 0, 3_000)).unwrap();
        }
    };
    let receive = async {
        for number in 0..FRAMES {
            let frame = answering.frame(Kind::Video).await;
            assert_eq!(frame.data, common::picture(number, number == 0, 3_000).data, "frame {number}");
        }
    };
    tokio::join!(send, receive);

    let (lost, repeated) = (path.counts.lost.load(Ordering::Relaxed), path.counts.repeated.load(Ordering::Relaxed));
    assert!(lost >= FRAMES * 3 / LOST / 2, "{lost} were lost");
    assert!(repeated <= lost * 3, "{lost} were lost, {repeated} repeated");
}

/// Passes packets on between two peers, and loses some of the picture.
struct Path {
    address: SocketAddr,
    answering: Arc<Mutex<Option<SocketAddr>>>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    lost: AtomicU64,
    repeated: AtomicU64,
}

impl Path {
    async fn new() -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = socket.local_addr().unwrap();
        let path = Self { address, answering: Arc::default(), counts: Arc::default() };
        tokio::spawn(pass(socket, path.answering.clone(), path.counts.clone()));
        path
    }

    /// The answerer's candidate, with this path's address in place of its own.
    fn instead(&self, mut candidate: Candidate) -> Candidate {
        let mut fields: Vec<String> = candidate.candidate.split(' ').map(str::to_owned).collect();
        if let [_, _, _, _, host, port, ..] = &mut fields[..] {
            *self.answering.lock().unwrap() = Some(format!("{host}:{port}").parse().unwrap());
            *host = self.address.ip().to_string();
            *port = self.address.port().to_string();
        }
        candidate.candidate = fields.join(" ");
        candidate
    }
}

async fn pass(socket: UdpSocket, answering: Arc<Mutex<Option<SocketAddr>>>, counts: Arc<Counts>) {
    let mut buffer = [0; 2048];
    let mut offering = None;
    let mut pictures = 0;
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        let there = *answering.lock().unwrap();
        if Some(from) != there {
            offering = Some(from);
            // What SRTP leaves readable: version, and payload type beside the marker (RFC 3550, section 5.1).
            let is_media = length > 12 && buffer[0] >> 6 == 2;
            match buffer[1] & 0x7F {
                96 if is_media => {
                    pictures += 1;
                    if pictures % LOST == 0 {
                        counts.lost.fetch_add(1, Ordering::Relaxed);
                        continue;
                    }
                }
                97 if is_media => {
                    counts.repeated.fetch_add(1, Ordering::Relaxed);
                }
                _ => {}
            }
        }
        if let Some(to) = if Some(from) == there { offering } else { there } {
            // Whoever is gone gets nothing.
            let _ = socket.send_to(&buffer[..length], to).await;
        }
    }
}
