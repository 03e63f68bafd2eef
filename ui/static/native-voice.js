// Voice's half of the native media engine: what the worklet captured is encoded, what is received is decoded for it. In a
// worker of its own, so that no picture holds it up. `ui/src/media/native/voice.rs` speaks to it.
"use strict";

const RATE = 48_000;
const ENCODER = {
  codec: "opus",
  sampleRate: RATE,
  numberOfChannels: 1,
  bitrate: 32_000,
  opus: { frameDuration: 20_000, application: "voip", useinbandfec: true },
};
const DECODER = { codec: "opus", sampleRate: RATE, numberOfChannels: 1 };
// What a captured packet holds.
const PACKET_MS = 20;
// Packets that may wait for the encoder or the decoder: a second. More says that the processor does not keep up. Half a second is
// too little: where this worker or the page stood still for as long, all that was said meanwhile comes at once, and is encoded in no time.
const WAITING = 50;
// For how long the quickest packet counts, at least.
const WINDOW_MS = 2000;

let header = 0;
let worklet = null;
const tell = (what, transfer) => postMessage(what, transfer);

// The clock that voice and picture share, in milliseconds: `performance.now()` alone begins anew in each worker.
const shared = () => performance.timeOrigin + performance.now();

// Ties the sound card's clock to the shared one. The two drift apart, and where sound was late for a while, the sound card's has
// stood still. Packets come late, and never early: the quickest of the last seconds tells.
const clock = {
  before: Infinity,
  quickest: Infinity,
  since: 0,

  restart() {
    this.before = Infinity;
    this.quickest = Infinity;
    this.since = shared();
  },

  // A packet comes that begins with this moment of the sound card, in microseconds.
  hear(timestamp) {
    const now = shared();
    if (now - this.since > WINDOW_MS) {
      this.since = now;
      this.before = this.quickest;
      this.quickest = Infinity;
    }
    this.quickest = Math.min(this.quickest, now - PACKET_MS - timestamp / 1000);
  },

  // When that was captured, in microseconds of the shared clock.
  captured(timestamp) {
    return Math.round(timestamp + Math.min(this.before, this.quickest) * 1000);
  },
};

const sending = {
  encoder: null,

  start(on) {
    if (worklet) worklet.postMessage({ type: "capturing", on });
    clock.restart();
  },

  take({ timestamp, samples }) {
    clock.hear(timestamp);
    try {
      if (!this.encoder || this.encoder.state === "closed") {
        this.encoder = new AudioEncoder({ output: (chunk) => this.encoded(chunk), error: (error) => this.failed(error) });
        this.encoder.configure(ENCODER);
      }
      if (this.encoder.encodeQueueSize > WAITING) return;
      const data = new AudioData({
        format: "f32-planar",
        sampleRate: RATE,
        numberOfChannels: 1,
        numberOfFrames: samples.length,
        timestamp: Math.round(timestamp),
        data: samples,
      });
      this.encoder.encode(data);
      data.close();
    } catch (error) {
      this.failed(error);
    }
  },

  encoded(chunk) {
    const buffer = new ArrayBuffer(header + chunk.byteLength);
    chunk.copyTo(new Uint8Array(buffer, header));
    const { timestamp } = chunk;
    tell({ type: "frame", buffer, keyframe: true, timestamp, captured: clock.captured(timestamp) }, [buffer]);
  },

  failed(error) {
    tell({ type: "failed", reason: String(error) });
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
  },
};

const receiving = {
  decoder: null,
  // From the stream's timestamps to the sender's clock, once it is known.
  offset: null,
  packets: 0,

  take({ buffer, timestamp, captured }) {
    this.packets += 1;
    this.offset = captured === null ? this.offset : captured - timestamp;
    try {
      if (!this.decoder || this.decoder.state === "closed") {
        this.decoder = new AudioDecoder({ output: (data) => this.decoded(data), error: () => {} });
        this.decoder.configure(DECODER);
      }
      if (this.decoder.decodeQueueSize > WAITING) return;
      this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: new Uint8Array(buffer, header) }));
    } catch {
      // The next packet gets a new decoder; what is missing the worklet conceals.
      if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    }
  },

  decoded(data) {
    const samples = new Float32Array(data.numberOfFrames);
    data.copyTo(samples, { planeIndex: 0, format: "f32-planar" });
    if (data.numberOfChannels > 1) {
      const right = new Float32Array(data.numberOfFrames);
      data.copyTo(right, { planeIndex: 1, format: "f32-planar" });
      for (let index = 0; index < samples.length; index += 1) samples[index] = (samples[index] + right[index]) / 2;
    }
    const { timestamp } = data;
    data.close();
    if (worklet) worklet.postMessage({ type: "voice", timestamp, samples }, [samples.buffer]);
  },

  playing(timestamp) {
    const known = timestamp !== null && this.offset !== null;
    tell({ type: "playing", captured: known ? timestamp + this.offset : null, at: shared() });
  },
};

let stats = null;
const hear = ({ data }) => {
  switch (data.type) {
    case "captured":
      return sending.take(data);
    case "playing":
      return receiving.playing(data.timestamp);
    case "stats":
      stats = data;
      return;
    case "failed":
      return tell({ type: "failed", reason: data.reason });
  }
};

onmessage = ({ data }) => {
  switch (data.type) {
    case "begin":
      header = data.header;
      worklet = data.port;
      worklet.onmessage = hear;
      return;
    case "sending":
      return sending.start(data.on);
    case "frame":
      return receiving.take(data);
    case "stats":
      return tell({ type: "stats", ...stats, packets: receiving.packets });
    case "close":
      for (const half of [sending.encoder, receiving.decoder]) if (half && half.state !== "closed") half.close();
      if (worklet) worklet.close();
      return close();
  }
};
