//! What the jitter buffer counted.

/// Counters since the start, by the names of the W3C (WebRTC Statistics, `RTCInboundRtpStreamStats`) where there are any.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stats {
    /// `jitterBufferDelay`: the time that frames waited here, in seconds, summed over [`emitted`](Self::emitted) frames.
    pub delay: f64,
    /// `jitterBufferTargetDelay`: the same sum of the delay that was aimed at, in seconds.
    pub target_delay: f64,
    /// `jitterBufferEmittedCount`: frames that came out as they had come in.
    pub emitted: u64,
    /// `totalSamplesReceived`: frames that came out, concealed ones too.
    pub received: u64,
    /// `concealedSamples`: frames that were made up, silence too. None before the first packet.
    pub concealed: u64,
    /// `silentConcealedSamples`: those of them that were silence; so is a sender's pause.
    pub silent: u64,
    /// `concealmentEvents`: how often making up began.
    pub concealments: u64,
    /// `insertedSamplesForDeceleration`.
    pub inserted: u64,
    /// `removedSamplesForAcceleration`.
    pub removed: u64,
    /// `packetsDiscarded`: packets that came too late, or twice, or with a timestamp that fits nothing.
    pub discarded: u64,
    /// Packets that were taken.
    pub packets: u64,
}
