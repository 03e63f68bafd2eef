//! Receiver of remote tracks: depacketizes frames, and requests keyframes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::sync::Notify;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use crate::codecs;
use crate::events::{Event, EventSender};
use crate::frame::{EncodedFrame, MediaType};
use crate::rtp_session::RtpSession;
use crate::unwrap::TimestampUnwrapper;
use crate::vp8::{self, AssemblyStep, FrameAssembler, MAX_PAYLOAD};

/// Interval between keyframe requests while none arrives: encoders need one frame and the round trip.
const KEYFRAME_RETRY: Duration = Duration::from_millis(500);

/// Reads a remote track until it ends.
pub(crate) async fn read(
    track: Arc<dyn TrackRemote>,
    events: EventSender,
    keyframe_requested: Arc<Notify>,
    session: Arc<RtpSession>,
) {
    match track.kind().await {
        RtpCodecKind::Audio => {
            events.send(Event::Track(MediaType::Audio)).await;
            read_audio(track.as_ref(), &events, &session).await;
        }
        RtpCodecKind::Video => {
            events.send(Event::Track(MediaType::Video)).await;
            read_video(track.as_ref(), &events, &keyframe_requested, &session).await;
        }
        _ => {}
    }
}

async fn read_audio(track: &dyn TrackRemote, events: &EventSender, session: &RtpSession) {
    let clock_rate = codecs::clock_rate(MediaType::Audio);
    let mut unwrapper = TimestampUnwrapper::default();
    while let Some(event) = track.poll().await {
        match event {
            TrackRemoteEvent::OnRtpPacket(packet) if (1..=MAX_PAYLOAD).contains(&packet.payload.len()) => {
                let timestamp = unwrapper.micros(packet.header.timestamp, clock_rate);
                let captured_at = session.capture_time(packet.header.ssrc, packet.header.timestamp);
                let data = packet.payload;
                let frame = EncodedFrame { kind: MediaType::Audio, timestamp, captured_at, keyframe: true, data };
                if events.audio.send(frame).await.is_err() {
                    return;
                }
            }
            TrackRemoteEvent::OnEnded => return,
            _ => {}
        }
    }
}

async fn read_video(track: &dyn TrackRemote, events: &EventSender, keyframe_requested: &Notify, session: &RtpSession) {
    let mut assembler = FrameAssembler::default();
    let mut requester = KeyframeRequester::default();
    let mut wake = None;
    let mut ssrc = 0;
    loop {
        let deadline = [wake, requester.retry_at()].into_iter().flatten().min();
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
            () = keyframe_requested.notified() => requester.needed_by_decoder(),
            () = sleep_until(deadline) => {}
        }
        let now = Instant::now();
        wake = loop {
            match assembler.next(now) {
                AssemblyStep::Frame(mut frame, timestamp) => {
                    frame.captured_at = session.capture_time(ssrc, timestamp);
                    let (size, keyframe) = (vp8::size(&frame.data), frame.keyframe);
                    requester.frame_received(keyframe);
                    let is_queued = events.video.push(frame);
                    session.frame_received(ssrc, size, keyframe, is_queued);
                    if !is_queued {
                        requester.needed_by_assembler();
                    }
                }
                AssemblyStep::Lost => requester.needed_by_assembler(),
                AssemblyStep::Wait(until) => break until,
            }
        };
        if assembler.needs_keyframe() {
            requester.needed_by_assembler();
        }
        if requester.take_due(now) {
            send_pli(track).await;
        }
    }
}

/// Sleeps until the deadline, or forever without one.
async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

/// Sends a picture loss indication (RFC 4585, section 6.3.1).
async fn send_pli(track: &dyn TrackRemote) {
    for media_ssrc in track.ssrcs().await {
        // Fails only when the connection is closed.
        let _ = track.write_rtcp(vec![Box::new(PictureLossIndication { sender_ssrc: 0, media_ssrc })]).await;
    }
}

/// Schedule of keyframe requests.
#[derive(Default)]
struct KeyframeRequester {
    need: KeyframeNeed,
    requested_at: Option<Instant>,
}

/// Which part of the receiver needs a keyframe.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum KeyframeNeed {
    #[default]
    None,
    /// The assembler cannot output a decodable frame: requests are rate-limited.
    Assembler,
    /// The application's decoder requested one: the request is sent at once.
    Decoder,
}

impl KeyframeRequester {
    fn needed_by_assembler(&mut self) {
        if self.need == KeyframeNeed::None {
            self.need = KeyframeNeed::Assembler;
        }
    }

    fn needed_by_decoder(&mut self) {
        self.need = KeyframeNeed::Decoder;
    }

    fn frame_received(&mut self, keyframe: bool) {
        if keyframe {
            self.need = KeyframeNeed::None;
        }
    }

    /// When to repeat the request.
    fn retry_at(&self) -> Option<Instant> {
        self.requested_at.filter(|_| self.need != KeyframeNeed::None).map(|at| at + KEYFRAME_RETRY)
    }

    /// Whether a request must be sent now; marks it as sent.
    fn take_due(&mut self, now: Instant) -> bool {
        let due = match self.need {
            KeyframeNeed::None => false,
            KeyframeNeed::Assembler => self.requested_at.is_none_or(|at| now.duration_since(at) >= KEYFRAME_RETRY),
            KeyframeNeed::Decoder => true,
        };
        if due {
            (self.need, self.requested_at) = (KeyframeNeed::Assembler, Some(now));
        }
        due
    }
}
