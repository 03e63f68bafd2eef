// Web worker of the native media backend: encodes what the worklet captured (Opus), and decodes received packets for the
// worklet. It is separate from the video worker, so that video never delays audio. `ui/src/media/native/audio.rs` is its
// counterpart.
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
// Duration of a captured packet.
const PACKET_MS = 20;
// Packets queued in the encoder or decoder: one second. Beyond it, the processor does not keep up. Half a second is too little:
// after a stall of this worker or the page, all packets of that time arrive at once, and are encoded quickly.
const MAX_QUEUE = 50;
// Half of the window over which `clock` looks for the fastest packet.
const WINDOW_MS = 2000;

let header = 0;
let worklet = null;

// The clock that audio and video share, in milliseconds: `performance.now()` starts at 0 in each worker.
const sharedNow = () => performance.timeOrigin + performance.now();

// Maps the audio clock to the shared clock. The two drift, and an underrun stops the audio clock. Packets arrive late, never
// early, so the fastest packet of the last seconds gives the offset.
const clock = {
  // Minimum offset of the previous and of the current half window, in milliseconds.
  previousOffset: Infinity,
  offset: Infinity,
  windowStart: 0,

  restart() {
    this.previousOffset = Infinity;
    this.offset = Infinity;
    this.windowStart = sharedNow();
  },

  // Records the arrival of a packet that starts at this time of the audio clock, in microseconds.
  addPacket(timestamp) {
    const now = sharedNow();
    if (now - this.windowStart > WINDOW_MS) {
      this.windowStart = now;
      this.previousOffset = this.offset;
      this.offset = Infinity;
    }
    this.offset = Math.min(this.offset, now - PACKET_MS - timestamp / 1000);
  },

  // Converts to microseconds of the shared clock.
  toShared(timestamp) {
    return Math.round(timestamp + Math.min(this.previousOffset, this.offset) * 1000);
  },
};

const sending = {
  encoder: null,

  start(on) {
    if (worklet) worklet.postMessage({ type: "capturing", on });
    clock.restart();
  },

  encode({ timestamp, samples }) {
    clock.addPacket(timestamp);
    try {
      if (!this.encoder || this.encoder.state === "closed") {
        this.encoder = new AudioEncoder({ output: (chunk) => this.encoded(chunk), error: (error) => this.failed(error) });
        this.encoder.configure(ENCODER);
      }
      if (this.encoder.encodeQueueSize > MAX_QUEUE) return;
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
    postMessage({ type: "frame", buffer, keyframe: true, timestamp, captured: clock.toShared(timestamp) }, [buffer]);
  },

  failed(error) {
    postMessage({ type: "failed", reason: String(error) });
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
  },
};

const receiving = {
  decoder: null,
  // Offset from RTP timestamps to the sender's clock, once known.
  offset: null,
  packets: 0,

  decode({ buffer, timestamp, captured }) {
    this.packets += 1;
    this.offset = captured === null ? this.offset : captured - timestamp;
    try {
      if (!this.decoder || this.decoder.state === "closed") {
        this.decoder = new AudioDecoder({ output: (data) => this.decoded(data), error: () => {} });
        this.decoder.configure(DECODER);
      }
      if (this.decoder.decodeQueueSize > MAX_QUEUE) return;
      this.decoder.decode(new EncodedAudioChunk({ type: "key", timestamp, data: new Uint8Array(buffer, header) }));
    } catch {
      // The next packet gets a new decoder; the worklet conceals the gap.
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
    postMessage({ type: "playing", captured: known ? timestamp + this.offset : null, at: sharedNow() });
  },
};

let stats = null;
const onWorkletMessage = ({ data }) => {
  switch (data.type) {
    case "captured":
      return sending.encode(data);
    case "playing":
      return receiving.playing(data.timestamp);
    case "stats":
      stats = data;
      return;
    case "failed":
      return postMessage({ type: "failed", reason: data.reason });
  }
};

onmessage = ({ data }) => {
  switch (data.type) {
    case "begin":
      header = data.header;
      worklet = data.port;
      worklet.onmessage = onWorkletMessage;
      return;
    case "sending":
      return sending.start(data.on);
    case "frame":
      return receiving.decode(data);
    case "stats":
      return postMessage({ type: "stats", ...stats, packets: receiving.packets });
    case "close":
      for (const codec of [sending.encoder, receiving.decoder]) if (codec && codec.state !== "closed") codec.close();
      if (worklet) worklet.close();
      return close();
  }
};
