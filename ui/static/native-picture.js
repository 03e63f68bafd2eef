// The picture's half of the native media engine: camera frames are encoded, received ones decoded. In a worker, so that it
// goes on while the page is busy or its window hidden. `ui/src/media/native/picture.rs` speaks to it.
"use strict";

// Larger pictures need more bits to be worth their size. Each step: from so many bits a second on, so many lines, so many
// frames a second.
const STEPS = [
  { bits: 0, lines: 180, rate: 15 },
  { bits: 150_000, lines: 270, rate: 20 },
  { bits: 300_000, lines: 360, rate: 30 },
  { bits: 700_000, lines: 540, rate: 30 },
  { bits: 1_100_000, lines: 720, rate: 30 },
];
// The first keyframe is small, so that the other side sees something soon.
const FIRST_STEP = 2;
// A larger picture is tried only when there were bits for it for a while: each change costs a keyframe.
const PATIENCE_MS = 3000;
// Of the estimate: the rest is for voice, headers, and what is sent again.
const SHARE = 0.85;
const LEAST_BITS = 60_000;
// How far the encoder may be ahead of its bits before frames are left out. It leaves out none by itself, and a restless picture
// takes more than it was told, however small it is.
const AHEAD_MS = 200;
// Frames that may wait for the encoder; then the processor does not keep up, and new ones are left out.
const ENCODING = 2;
// An encoder that has taken so many frames and given none has lost them, as it does where a camera's clock goes back. And what it
// seemed to have in it before each of so many frames is not in it.
const LOST = 30;
// How long the encoder may have a frame, on average, before pictures get smaller; and how short it must be before larger ones
// are tried again. The processor is shared with everything else, the other side's picture included.
const SLOW_MS = 25;
const QUICK_MS = 12;
const SMOOTH = 0.05;
const REST_MS = 10_000;
// Frames that may wait for the decoder.
const DECODING = 30;
// Decoded frames that may wait for their voice, and how long one may.
const WAITING = 8;
const LONGEST_WAIT_MS = 400;
// How far the picture may be ahead of its voice: it is hardly noticed, while a picture that waits is felt in every answer. EBU R 37 lets
// the sound be 60 ms late where programmes go out.
const AHEAD_OF_VOICE_MS = 40;
// So many frames' times are remembered while they are in the decoder.
const TIMES = 100;

let header = 0;
const tell = (what, transfer) => postMessage(what, transfer);

// What is captured and sent.
const sending = {
  track: null,
  encoder: null,
  config: null,
  step: FIRST_STEP,
  bits: 500_000,
  roomSince: null,
  // Bits that were made and not yet allowed, and when that was worked out.
  debt: 0,
  debtAt: 0,
  // The largest step that the processor bears, and since when it is that.
  ceiling: STEPS.length - 1,
  ceilingAt: -Infinity,
  cost: 0,
  // When each frame that the encoder has was captured, oldest first.
  begun: [],
  // The fewest frames that seemed to be in work before each of the last ones, and how many those were.
  fewest: Infinity,
  looked: 0,
  wantsKeyframe: false,
  lastAt: -Infinity,
  frames: 0,
  left: 0,

  // Sends the frames of this track; of none, nothing. The track is this worker's own copy.
  async start(track) {
    this.stop();
    if (!track) return;
    if (typeof MediaStreamTrackProcessor === "undefined") return tell({ type: "uncaptured", track }, [track]);
    this.track = track;
    // Not held back for the bits that another track has taken.
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

  // Each track gets an encoder of its own. WebKitGTK's goes by the frames' own clock, whatever timestamp a VideoFrame is given;
  // a camera's clock begins at 0, and what is older than what the encoder has seen it drops without a word.
  stop() {
    if (this.track) this.track.stop();
    this.track = null;
    this.close();
  },

  close() {
    if (this.encoder && this.encoder.state !== "closed") this.encoder.close();
    this.encoder = null;
    this.config = null;
    this.begun = [];
    this.fewest = Infinity;
    this.looked = 0;
  },

  encode(frame) {
    const now = performance.now();
    const { rate } = STEPS[this.step];
    // A little early is in time: cameras are not exact.
    if (now - this.lastAt < 700 / rate) return;
    if (this.encoder && this.encoder.encodeQueueSize > ENCODING) {
      this.left += 1;
      this.spend(2 * SLOW_MS, now);
      return;
    }
    if (this.isAhead(now) && !this.wantsKeyframe) {
      this.left += 1;
      return;
    }
    if (this.begun.length >= LOST) this.failed("the encoder gives nothing");
    this.lastAt = now;
    this.choose(now);
    try {
      this.fit(frame);
      this.forget();
      this.encoder.encode(frame, { keyFrame: this.wantsKeyframe });
      this.begun.push(now);
      this.wantsKeyframe = false;
      this.frames += 1;
    } catch (error) {
      this.failed(error);
    }
  },

  // Forgets frames that the encoder has dropped without a word: those after them would be told with their times. It is idle
  // between two frames now and then, or new ones have to wait.
  forget() {
    this.fewest = Math.min(this.fewest, this.begun.length - this.encoder.encodeQueueSize);
    this.looked += 1;
    if (this.looked < LOST) return;
    this.begun.splice(0, Math.max(0, this.fewest));
    this.fewest = Infinity;
    this.looked = 0;
  },

  // Whether the encoder has made more than it may.
  isAhead(now) {
    const allowed = this.allowed();
    this.debt = Math.max(0, this.debt - (allowed * (now - this.debtAt)) / 1000);
    this.debtAt = now;
    return this.debt > (allowed * AHEAD_MS) / 1000;
  },

  // Bits a second for the encoder.
  allowed() {
    return Math.max(LEAST_BITS, Math.round(this.bits * SHARE));
  },

  // A frame took this long.
  spend(time, now) {
    this.cost += (time - this.cost) * SMOOTH;
    if (now - this.ceilingAt < REST_MS) return;
    const change = this.cost > SLOW_MS ? -1 : this.cost < QUICK_MS && this.step === this.ceiling ? 1 : 0;
    const ceiling = Math.max(0, Math.min(STEPS.length - 1, (change < 0 ? this.step : this.ceiling) + change));
    if (ceiling === this.ceiling) return;
    this.ceiling = ceiling;
    this.ceilingAt = now;
    this.cost = (SLOW_MS + QUICK_MS) / 2;
  },

  // Sets the encoder up for this frame's shape and the bits that there are.
  fit(frame) {
    if (this.config && this.config.of === frame.displayWidth * 65536 + frame.displayHeight) return;
    const { lines, rate } = STEPS[this.step];
    const scale = Math.min(1, lines / Math.min(frame.displayWidth, frame.displayHeight));
    const even = (length) => Math.max(2, 2 * Math.round((length * scale) / 2));
    this.config = {
      of: frame.displayWidth * 65536 + frame.displayHeight,
      codec: "vp8",
      width: even(frame.displayWidth),
      height: even(frame.displayHeight),
      bitrate: this.allowed(),
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
    const begun = this.begun.shift();
    if (begun !== undefined) this.spend(now - begun, now);
    this.debt += chunk.byteLength * 8;
    const buffer = new ArrayBuffer(header + chunk.byteLength);
    chunk.copyTo(new Uint8Array(buffer, header));
    const keyframe = chunk.type === "key";
    // The clock of voice and picture, which camera and microphone do not share; `performance.now()` begins anew in each worker.
    const timestamp = Math.round((performance.timeOrigin + (begun ?? now)) * 1000);
    tell({ type: "frame", buffer, keyframe, timestamp }, [buffer]);
  },

  failed(error) {
    tell({ type: "failed", reason: String(error) });
    this.close();
  },

  // So many bits a second may be sent. The encoder is set up anew at the next frame.
  allow(bits) {
    this.bits = bits;
    this.config = null;
  },

  // Down at once, up after a while.
  choose(now) {
    let step = Math.min(this.step, this.ceiling);
    while (step > 0 && this.bits < STEPS[step].bits) step -= 1;
    if (step < this.step || step === this.ceiling || this.bits < STEPS[step + 1].bits) {
      this.roomSince = null;
    } else {
      this.roomSince ??= now;
      if (now - this.roomSince >= PATIENCE_MS) {
        step += 1;
        this.roomSince = null;
      }
    }
    if (step === this.step) return;
    this.step = step;
    this.config = null;
  },
};

// What is received and shown.
const receiving = {
  decoder: null,
  generator: null,
  writer: null,
  needsKeyframe: true,
  times: new Map(),
  waiting: [],
  timer: null,
  voice: null,
  frames: 0,
  late: 0,
  shown: null,

  start() {
    if (typeof VideoTrackGenerator === "undefined") {
      this.generator = { muted: false };
      this.writer = { write: async (frame) => tell({ type: "picture", frame }, [frame]), close: async () => {} };
      return tell({ type: "untracked" });
    }
    this.generator = new VideoTrackGenerator();
    // As in browsers: muted until something comes.
    this.generator.muted = true;
    this.writer = this.generator.writable.getWriter();
    const { track } = this.generator;
    tell({ type: "track", track }, [track]);
  },

  stop() {
    clearTimeout(this.timer);
    this.waiting.splice(0).forEach(({ frame }) => frame.close());
    if (this.decoder && this.decoder.state !== "closed") this.decoder.close();
    if (this.writer) this.writer.close().catch(() => {});
  },

  take({ buffer, keyframe, timestamp, captured }) {
    if (keyframe) this.needsKeyframe = false;
    else if (this.needsKeyframe) return this.want();
    if (this.decoder && this.decoder.state !== "closed" && this.decoder.decodeQueueSize > DECODING) {
      this.needsKeyframe = true;
      return this.want();
    }
    try {
      if (!this.decoder || this.decoder.state === "closed") {
        if (!keyframe) return this.want();
        this.decoder = new VideoDecoder({ output: (frame) => this.decoded(frame), error: () => this.want() });
        this.decoder.configure({ codec: "vp8", optimizeForLatency: true });
      }
      this.times.set(timestamp, captured);
      if (this.times.size > TIMES) this.times.delete(this.times.keys().next().value);
      const type = keyframe ? "key" : "delta";
      this.decoder.decode(new EncodedVideoChunk({ type, timestamp, data: new Uint8Array(buffer, header) }));
    } catch {
      this.want();
    }
  },

  // The decoder cannot go on without one.
  want() {
    this.needsKeyframe = true;
    tell({ type: "keyframe-wanted" });
  },

  decoded(frame) {
    this.frames += 1;
    this.shown = { width: frame.displayWidth, height: frame.displayHeight };
    const captured = this.times.get(frame.timestamp);
    this.times.delete(frame.timestamp);
    this.waiting.push({ frame, due: this.due(captured) });
    this.show();
  },

  // When a frame is to be shown, by `performance.now()`: with the voice of the same moment, or a little before.
  due(captured) {
    const now = performance.now();
    if (typeof captured !== "number" || !this.voice) return now;
    const heard = this.voice.captured + (now - this.voice.at) * 1000;
    return now + Math.min(LONGEST_WAIT_MS, Math.max(0, (captured - heard) / 1000 - AHEAD_OF_VOICE_MS));
  },

  show() {
    clearTimeout(this.timer);
    const now = performance.now();
    while (this.waiting.length > 0) {
      const [first, second] = this.waiting;
      if (first.due > now + 2 && this.waiting.length <= WAITING) break;
      this.waiting.shift();
      // Late: the next is due as well.
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
      return sending.allow(data.bits);
    case "keyframe":
      sending.wantsKeyframe = true;
      return;
    case "frame":
      return receiving.take(data);
    case "playing":
      receiving.voice = data.captured === null ? null : { captured: data.captured, at: data.at - performance.timeOrigin };
      return;
    case "stats": {
      const { frames: sent, left, config } = sending;
      const { frames: decoded, late, shown } = receiving;
      const size = config ? { width: config.width, height: config.height, bitrate: config.bitrate } : null;
      return tell({ type: "stats", sent, left, size, decoded, late, shown });
    }
    case "close":
      sending.stop();
      receiving.stop();
      return close();
  }
};
