// Web worker of the native media backend: encodes the local video track (VP8), decodes received frames, and renders them in
// sync with the audio. A worker keeps running while the page is busy or its window hidden.
// `ui/src/media/native/video.rs` is its counterpart.
"use strict";

// Encoder presets: from `bits` per second on, `lines` lines at `rate` frames per second.
const STEPS = [
  { bits: 0, lines: 180, rate: 15 },
  { bits: 150_000, lines: 270, rate: 20 },
  { bits: 300_000, lines: 360, rate: 30 },
  { bits: 700_000, lines: 540, rate: 30 },
  { bits: 1_100_000, lines: 720, rate: 30 },
];
// A small first keyframe arrives soon.
const FIRST_STEP = 2;
// How long the bitrate must suffice before the next larger step: each change costs a keyframe.
const STEP_UP_AFTER_MS = 3000;
// Share of the estimated bitrate for video; the rest is for audio, headers and retransmissions.
const SHARE = 0.85;
const MIN_BITS = 60_000;
// How far the output may exceed the target bitrate before frames are skipped. The encoder itself skips none, and exceeds its
// target with much motion at any size.
const MAX_DEBT_MS = 200;
// Frames queued in the encoder. Beyond it, the processor does not keep up, and new frames are skipped.
const MAX_ENCODE_QUEUE = 2;
// An encoder with so many frames and no output has lost them: WebKitGTK's drops frames whose clock went back. Also the number
// of frames over which `forgetDropped` looks for an idle encoder.
const LOST_FRAMES = 30;
// Average encoding time above which the step is lowered, and below which it may be raised again. The processor has other work,
// decoding included.
const SLOW_MS = 25;
const QUICK_MS = 12;
const SMOOTHING = 0.05;
const CEILING_HOLD_MS = 10_000;
// Frames queued in the decoder.
const MAX_DECODE_QUEUE = 30;
// Decoded frames that wait for their audio, and how long one may wait.
const MAX_WAITING = 8;
const MAX_WAIT_MS = 400;
// How far video may be ahead of its audio. A small lead is hardly noticed, and waiting would add to the delay of the conversation.
// EBU R 37 tolerates audio that is 60 ms late.
const AUDIO_LEAD_MS = 40;
// Capture times kept for frames in the decoder.
const MAX_TIMES = 100;

let header = 0;

// The local video.
const sending = {
  track: null,
  encoder: null,
  config: null,
  step: FIRST_STEP,
  bits: 500_000,
  // Since when the bitrate has sufficed for the next step.
  enoughSince: null,
  // Bits beyond the target bitrate, and when they were computed.
  debt: 0,
  debtAt: 0,
  // The largest step that the processor can encode, and since when.
  ceiling: STEPS.length - 1,
  ceilingAt: -Infinity,
  // Moving average of the encoding time, in milliseconds.
  cost: 0,
  // Capture times of the frames in the encoder, oldest first.
  captureTimes: [],
  // Minimum of frames in progress over the last `samples` frames.
  fewest: Infinity,
  samples: 0,
  wantsKeyframe: false,
  lastAt: -Infinity,
  encodedFrames: 0,
  skippedFrames: 0,

  // Sends the frames of this track, or stops sending. The worker owns the track.
  async start(track) {
    this.stop();
    if (!track) return;
    if (typeof MediaStreamTrackProcessor === "undefined") return postMessage({ type: "capture-on-main-thread", track }, [track]);
    this.track = track;
    // The first frame is not skipped for the debt of the previous track.
    this.wantsKeyframe = true;
    const reader = new MediaStreamTrackProcessor({ track }).readable.getReader();
    while (this.track === track) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      if (this.track === track) this.encode(frame);
      frame.close();
    }
    reader.cancel().catch(() => {});
  },

  // Each track gets a new encoder. WebKitGTK's uses the camera's clock instead of the timestamp of the VideoFrame. That clock
  // starts at 0 for each track, and the encoder silently drops frames older than the last one.
  stop() {
    if (this.track) this.track.stop();
    this.track = null;
    this.close();
  },

  close() {
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
    this.encoder = null;
    this.config = null;
    this.captureTimes = [];
    this.fewest = Infinity;
    this.samples = 0;
  },

  encode(frame) {
    const now = performance.now();
    const { rate } = STEPS[this.step];
    // Tolerates jitter of the camera: 70 % of the interval is enough.
    if (now - this.lastAt < 700 / rate) return;
    if (this.encoder && this.encoder.encodeQueueSize > MAX_ENCODE_QUEUE) {
      this.skippedFrames += 1;
      this.addCost(2 * SLOW_MS, now);
      return;
    }
    if (this.isAhead(now) && !this.wantsKeyframe) {
      this.skippedFrames += 1;
      return;
    }
    if (this.captureTimes.length >= LOST_FRAMES) this.failed("encoder gives no output; restarting it");
    this.lastAt = now;
    this.chooseStep(now);
    try {
      this.configure(frame);
      this.forgetDropped();
      this.encoder.encode(frame, { keyFrame: this.wantsKeyframe });
      this.captureTimes.push(now);
      this.wantsKeyframe = false;
      this.encodedFrames += 1;
    } catch (error) {
      this.failed(error);
    }
  },

  // Forgets the capture times of frames that the encoder has silently dropped: later frames would be sent with them. The encoder
  // is idle at times, so the minimum of frames in progress is the number of dropped ones.
  forgetDropped() {
    this.fewest = Math.min(this.fewest, this.captureTimes.length - this.encoder.encodeQueueSize);
    this.samples += 1;
    if (this.samples < LOST_FRAMES) return;
    this.captureTimes.splice(0, Math.max(0, this.fewest));
    this.fewest = Infinity;
    this.samples = 0;
  },

  // Whether the output exceeds the target bitrate too far.
  isAhead(now) {
    const target = this.targetBits();
    this.debt = Math.max(0, this.debt - (target * (now - this.debtAt)) / 1000);
    this.debtAt = now;
    return this.debt > (target * MAX_DEBT_MS) / 1000;
  },

  // Target bitrate of the encoder.
  targetBits() {
    return Math.max(MIN_BITS, Math.round(this.bits * SHARE));
  },

  // Records an encoding time, and adapts the ceiling.
  addCost(time, now) {
    this.cost += (time - this.cost) * SMOOTHING;
    if (now - this.ceilingAt < CEILING_HOLD_MS) return;
    const change = this.cost > SLOW_MS ? -1 : this.cost < QUICK_MS && this.step === this.ceiling ? 1 : 0;
    const ceiling = Math.max(0, Math.min(STEPS.length - 1, (change < 0 ? this.step : this.ceiling) + change));
    if (ceiling === this.ceiling) return;
    this.ceiling = ceiling;
    this.ceilingAt = now;
    this.cost = (SLOW_MS + QUICK_MS) / 2;
  },

  // Configures the encoder for this frame's size and the target bitrate, if either has changed.
  configure(frame) {
    if (this.config && this.config.source === frame.displayWidth * 65536 + frame.displayHeight) return;
    const { lines, rate } = STEPS[this.step];
    const scale = Math.min(1, lines / Math.min(frame.displayWidth, frame.displayHeight));
    const even = (length) => Math.max(2, 2 * Math.round((length * scale) / 2));
    this.config = {
      source: frame.displayWidth * 65536 + frame.displayHeight,
      codec: "vp8",
      width: even(frame.displayWidth),
      height: even(frame.displayHeight),
      bitrate: this.targetBits(),
      framerate: rate,
      latencyMode: "realtime",
    };
    if (!this.encoder || this.encoder.state === "closed") {
      this.encoder = new VideoEncoder({ output: (chunk) => this.encoded(chunk), error: (error) => this.failed(error) });
      this.wantsKeyframe = true;
    }
    this.encoder.configure(this.config);
  },

  encoded(chunk) {
    const now = performance.now();
    const captured = this.captureTimes.shift();
    if (captured !== undefined) this.addCost(now - captured, now);
    this.debt += chunk.byteLength * 8;
    const buffer = new ArrayBuffer(header + chunk.byteLength);
    chunk.copyTo(new Uint8Array(buffer, header));
    const keyframe = chunk.type === "key";
    // The clock that audio and video share: `performance.now()` starts at 0 in each worker.
    const timestamp = Math.round((performance.timeOrigin + (captured ?? now)) * 1000);
    postMessage({ type: "frame", buffer, keyframe, timestamp }, [buffer]);
  },

  failed(error) {
    postMessage({ type: "failed", reason: String(error) });
    this.close();
  },

  // Sets the bitrate estimate, in bits per second. The next frame reconfigures the encoder.
  setBitrate(bits) {
    this.bits = bits;
    this.config = null;
  },

  // Chooses the step for the bitrate: down at once, up after a while.
  chooseStep(now) {
    let step = Math.min(this.step, this.ceiling);
    while (step > 0 && this.bits < STEPS[step].bits) step -= 1;
    if (step < this.step || step === this.ceiling || this.bits < STEPS[step + 1].bits) {
      this.enoughSince = null;
    } else {
      this.enoughSince ??= now;
      if (now - this.enoughSince >= STEP_UP_AFTER_MS) {
        step += 1;
        this.enoughSince = null;
      }
    }
    if (step === this.step) return;
    this.step = step;
    this.config = null;
  },
};

// The remote video.
const receiving = {
  decoder: null,
  generator: null,
  writer: null,
  needsKeyframe: true,
  times: new Map(),
  waiting: [],
  timer: null,
  // Which capture time is playing (`captured`, microseconds) at which time (`at`, milliseconds).
  audio: null,
  frames: 0,
  late: 0,
  shown: null,

  start() {
    if (typeof VideoTrackGenerator === "undefined") {
      this.generator = { muted: false };
      this.writer = { write: async (frame) => postMessage({ type: "render", frame }, [frame]), close: async () => {} };
      return postMessage({ type: "render-on-main-thread" });
    }
    this.generator = new VideoTrackGenerator();
    // Muted until a frame arrives, as in browsers.
    this.generator.muted = true;
    this.writer = this.generator.writable.getWriter();
    const { track } = this.generator;
    postMessage({ type: "track", track }, [track]);
  },

  stop() {
    clearTimeout(this.timer);
    this.waiting.splice(0).forEach(({ frame }) => frame.close());
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    if (this.writer) this.writer.close().catch(() => {});
  },

  decode({ buffer, keyframe, timestamp, captured }) {
    if (keyframe) this.needsKeyframe = false;
    else if (this.needsKeyframe) return this.requestKeyframe();
    if (this.decoder && this.decoder.state !== "closed" && this.decoder.decodeQueueSize > MAX_DECODE_QUEUE) {
      this.needsKeyframe = true;
      return this.requestKeyframe();
    }
    try {
      if (!this.decoder || this.decoder.state === "closed") {
        if (!keyframe) return this.requestKeyframe();
        this.decoder = new VideoDecoder({ output: (frame) => this.decoded(frame), error: () => this.requestKeyframe() });
        this.decoder.configure({ codec: "vp8", optimizeForLatency: true });
      }
      this.times.set(timestamp, captured);
      if (this.times.size > MAX_TIMES) this.times.delete(this.times.keys().next().value);
      const type = keyframe ? "key" : "delta";
      this.decoder.decode(new EncodedVideoChunk({ type, timestamp, data: new Uint8Array(buffer, header) }));
    } catch {
      this.requestKeyframe();
    }
  },

  requestKeyframe() {
    this.needsKeyframe = true;
    postMessage({ type: "keyframe-wanted" });
  },

  decoded(frame) {
    this.frames += 1;
    this.shown = { width: frame.displayWidth, height: frame.displayHeight };
    const captured = this.times.get(frame.timestamp);
    this.times.delete(frame.timestamp);
    this.waiting.push({ frame, due: this.dueTime(captured) });
    this.show();
  },

  // When to show a frame, by `performance.now()`: with the audio of the same capture time, or AUDIO_LEAD_MS before.
  dueTime(captured) {
    const now = performance.now();
    if (typeof captured !== "number" || !this.audio) return now;
    const playing = this.audio.captured + (now - this.audio.at) * 1000;
    return now + Math.min(MAX_WAIT_MS, Math.max(0, (captured - playing) / 1000 - AUDIO_LEAD_MS));
  },

  show() {
    clearTimeout(this.timer);
    const now = performance.now();
    while (this.waiting.length > 0) {
      const [first, second] = this.waiting;
      if (first.due > now + 2 && this.waiting.length <= MAX_WAITING) break;
      this.waiting.shift();
      // Late: the next one is due as well.
      if (second && second.due <= now) {
        this.late += 1;
        first.frame.close();
        continue;
      }
      if (this.generator.muted) this.generator.muted = false;
      this.writer.write(first.frame).catch(() => first.frame.close());
    }
    if (this.waiting.length > 0) this.timer = setTimeout(() => this.show(), this.waiting[0].due - now);
  },
};

onmessage = ({ data }) => {
  switch (data.type) {
    case "begin":
      header = data.header;
      return receiving.start();
    case "track":
      return sending.start(data.track).catch((error) => sending.failed(error));
    case "captured":
      sending.encode(data.frame);
      return data.frame.close();
    case "bitrate":
      return sending.setBitrate(data.bits);
    case "keyframe":
      sending.wantsKeyframe = true;
      return;
    case "frame":
      return receiving.decode(data);
    case "playing":
      receiving.audio = data.captured === null ? null : { captured: data.captured, at: data.at - performance.timeOrigin };
      return;
    case "stats": {
      const { encodedFrames: encoded, skippedFrames: skipped, config } = sending;
      const { frames: decoded, late, shown } = receiving;
      const size = config && { width: config.width, height: config.height, bitrate: config.bitrate };
      return postMessage({ type: "stats", encoded, skipped, config: size, decoded, late, shown });
    }
    case "close":
      sending.stop();
      receiving.stop();
      return close();
  }
};
