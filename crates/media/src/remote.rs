//! Tracks of the other side.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::Notify;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::codecs;
use crate::events::{Event, Sinks};
use crate::frame::{Frame, Kind};
use crate::traffic::Traffic;
use crate::vp8::{self, Assembler, Next};
use crate::wrapping::Ticks;

/// How long a keyframe may take before it is asked for again. Encoders make one at the next picture.
const AGAIN: Duration = Duration::from_millis(500);

/// Reads a track until it ends.
pub(crate) async fn read(track: Arc<dyn TrackRemote>, sinks: Sinks, wanted: Arc<Notify>, traffic: Arc<Traffic>) {
    match track.kind().await {
        RtpCodecKind::Audio => {
            sinks.tell(Event::Track(Kind::Voice)).await;
            read_voice(track.as_ref(), &sinks, &traffic).await;
        }
        RtpCodecKind::Video => {
            sinks.tell(Event::Track(Kind::Video)).await;
            read_video(track.as_ref(), &sinks, &wanted, &traffic).await;
        }
        _ => {}
    }
}

async fn read_voice(track: &dyn TrackRemote, sinks: &Sinks, traffic: &Traffic) {
    let clock = u64::from(codecs::clock(Kind::Voice));
    let mut ticks = Ticks::default();
    while let Some(event) = track.poll().await {
        match event {
            TrackRemoteEvent::OnRtpPacket(packet) if !packet.payload.is_empty() => {
                let timestamp = ticks.extend(packet.header.timestamp) * 1_000_000 / clock;
                let captured = traffic.captured(packet.header.ssrc, packet.header.timestamp);
                let frame = Frame { kind: Kind::Voice, timestamp, captured, keyframe: true, data: packet.payload };
                if sinks.voice.send(frame).await.is_err() {
                    return;
                }
            }
            TrackRemoteEvent::OnEnded => return,
            _ => {}
        }
    }
}

async fn read_video(track: &dyn TrackRemote, sinks: &Sinks, wanted: &Notify, traffic: &Traffic) {
    let mut assembler = Assembler::default();
    let mut requests = Requests::default();
    let mut wake = None;
    let mut ssrc = 0;
    loop {
        let deadline = [wake, requests.again()].into_iter().flatten().min();
        tokio::select! {
            event = track.poll() => match event {
                Some(TrackRemoteEvent::OnRtpPacket(packet)) => {
                    let header = &packet.header;
                    ssrc = header.ssrc;
                    assembler.push(header.sequence_number, header.timestamp, header.marker, &packet.payload);
                }
                Some(TrackRemoteEvent::OnEnded) | None => return,
                Some(_) => {}
            },
            () = wanted.notified() => requests.demand(),
            () = until(deadline) => {}
        }
        let now = Instant::now();
        wake = loop {
            match assembler.next(now) {
                Next::Frame(mut frame, timestamp) => {
                    frame.captured = traffic.captured(ssrc, timestamp);
                    let (size, keyframe) = (vp8::size(&frame.data), frame.keyframe);
                    requests.came(keyframe);
                    let is_taken = sinks.video.push(frame);
                    traffic.frame_received(ssrc, size, keyframe, is_taken);
                    if !is_taken {
                        requests.need();
                    }
                }
                Next::Lost => requests.need(),
                Next::Wait(until) => break until,
            }
        };
        if assembler.needs_keyframe() {
            requests.need();
        }
        if requests.due(now) {
            ask(track).await;
        }
    }
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Asks for a keyframe (RFC 4585, section 6.3.1).
async fn ask(track: &dyn TrackRemote) {
    for media_ssrc in track.ssrcs().await {
        // Fails only when the connection is closed.
        let _ = track.write_rtcp(vec![Box::new(PictureLossIndication { sender_ssrc: 0, media_ssrc })]).await;
    }
}

/// When to ask for a keyframe.
#[derive(Default)]
struct Requests {
    need: Need,
    asked: Option<Instant>,
}

/// Whether a keyframe is needed, and by whom.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Need {
    #[default]
    Nobody,
    /// Nothing can be shown without one: asked for now and then.
    Assembler,
    /// The decoder wants one: asked for at once.
    Decoder,
}

impl Requests {
    /// Nothing can be shown without one.
    fn need(&mut self) {
        if self.need == Need::Nobody {
            self.need = Need::Assembler;
        }
    }

    /// The decoder wants one.
    fn demand(&mut self) {
        self.need = Need::Decoder;
    }

    /// A frame came.
    fn came(&mut self, keyframe: bool) {
        if keyframe {
            self.need = Need::Nobody;
        }
    }

    /// When to ask once more.
    fn again(&self) -> Option<Instant> {
        self.asked.filter(|_| self.need != Need::Nobody).map(|asked| asked + AGAIN)
    }

    /// Whether to ask now.
    fn due(&mut self, now: Instant) -> bool {
        let due = match self.need {
            Need::Nobody => false,
            Need::Assembler => self.asked.is_none_or(|asked| now.duration_since(asked) >= AGAIN),
            Need::Decoder => true,
        };
        if due {
            (self.need, self.asked) = (Need::Assembler, Some(now));
        }
        due
    }
}
