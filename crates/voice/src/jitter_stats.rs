//! Counters of the jitter buffer.

/// Counters since the start, named as in the W3C's `RTCInboundRtpStreamStats` where that has them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JitterBufferStats {
    /// `jitterBufferDelay`: sum of the buffering delay of all [`emitted`](Self::emitted) samples, in seconds.
    pub delay: f64,
    /// `jitterBufferTargetDelay`: sum of the target delay of the same samples, in seconds.
    pub target_delay: f64,
    /// `jitterBufferEmittedCount`: received samples that were played.
    pub emitted: u64,
    /// `totalSamplesReceived`: samples played from the first packet on, including concealed ones.
    pub received: u64,
    /// `concealedSamples`: concealed samples, including silence. None before the first packet.
    pub concealed: u64,
    /// `silentConcealedSamples`: concealed samples that are silence, such as a sender's pause.
    pub silent: u64,
    /// `concealmentEvents`: number of times concealment started.
    pub concealments: u64,
    /// `insertedSamplesForDeceleration`.
    pub inserted: u64,
    /// `removedSamplesForAcceleration`.
    pub removed: u64,
    /// `packetsDiscarded`: packets that were late, duplicate, or had an implausible timestamp.
    pub discarded: u64,
    /// Packets accepted.
    pub packets: u64,
}
