// A call's voice on the sound card's own thread: crates/voice, compiled to WebAssembly, between a worker and the devices.
//
// The node has one input, the microphone (or nothing), and one output, the remote voice. `processorOptions.module` is the compiled
// module. Its port takes
//   {type: "connect", port}   the port of the worker that decodes and encodes
//   {type: "close"}           and then the node is done
// and gives {type: "failed", reason}, and {type: "closed"} when it runs for the last time. The worker's port takes
//   {type: "voice", timestamp, samples}   decoded voice: the sender's time in microseconds, a Float32Array at 48 kHz
//   {type: "capturing", on}               whether it wants the microphone
// and gives
//   {type: "captured", timestamp, samples}   20 ms of the microphone: the sound card's time in microseconds, 960 samples
//   {type: "playing", timestamp}             ten times a second: the sender's time of what is heard, or null
//   {type: "stats", ...}                     once a second
//   {type: "failed", reason}
'use strict';

const RATE = 48000;
const PLAYING_EVERY = RATE / 10;
const STATS_EVERY = RATE;

/// What `hutong_voice_stats` gives, in its order; by the W3C's names (RTCInboundRtpStreamStats) where there are any.
const STATS = [
  'jitterBufferDelay',
  'jitterBufferTargetDelay',
  'jitterBufferEmittedCount',
  'totalSamplesReceived',
  'concealedSamples',
  'silentConcealedSamples',
  'concealmentEvents',
  'insertedSamplesForDeceleration',
  'removedSamplesForAcceleration',
  'packetsDiscarded',
  'packetsReceived',
];

class HutongVoice extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.worker = null;
    this.failure = null;
    this.closed = false;
    this.playingAt = 0;
    this.statsAt = 0;
    this.port.onmessage = ({ data }) => this.guard(() => this.fromPage(data));
    this.guard(() => this.start(options.processorOptions));
  }

  start(options) {
    if (sampleRate !== RATE) throw new Error(`the audio context runs at ${sampleRate} Hz instead of ${RATE} Hz`);
    const module = options && options.module;
    if (!(module instanceof WebAssembly.Module)) throw new Error('processorOptions has no module');
    this.voice = new WebAssembly.Instance(module, {}).exports;
    this.longestPacket = this.voice.hutong_voice_longest_packet();
    this.longestQuantum = this.voice.hutong_voice_longest_quantum();
    this.packet = this.voice.hutong_voice_packet();
    this.places = {
      remote: this.voice.hutong_voice_remote(),
      microphone: this.voice.hutong_voice_microphone(),
      speaker: this.voice.hutong_voice_speaker(),
      captured: this.voice.hutong_voice_captured(),
    };
    this.memory = null;
    this.look();
  }

  // Views of the module's memory. Any call may make it grow, and then the old ones are empty.
  look() {
    const memory = this.voice.memory.buffer;
    if (memory === this.memory) return;
    this.memory = memory;
    this.remote = new Float32Array(memory, this.places.remote, this.longestPacket);
    this.microphone = new Float32Array(memory, this.places.microphone, this.longestQuantum);
    this.speaker = new Float32Array(memory, this.places.speaker, this.longestQuantum);
    this.captured = new Float32Array(memory, this.places.captured, this.packet);
  }

  process(inputs, outputs) {
    if (this.closed) {
      this.port.postMessage({ type: 'closed' });
      return false;
    }
    if (this.failure !== null) return false;
    return this.guard(() => this.quantum(inputs[0] && inputs[0][0], outputs[0] && outputs[0][0]));
  }

  quantum(microphone, speaker) {
    const length = speaker ? speaker.length : 128;
    if (length > this.longestQuantum) throw new Error(`a render quantum of ${length} frames`);
    const heard = microphone !== undefined && microphone.length === length;
    if (heard) this.microphone.set(microphone);
    const captured = this.voice.hutong_voice_process(currentFrame, length, heard ? 1 : 0);
    this.look();
    for (let index = 0; speaker && index < length; index += 1) speaker[index] = this.speaker[index];
    if (!this.worker) return;
    if (captured) {
      const samples = this.captured.slice();
      const timestamp = this.voice.hutong_voice_captured_at();
      this.worker.postMessage({ type: 'captured', timestamp, samples }, [samples.buffer]);
    }
    if (currentFrame >= this.playingAt) {
      this.playingAt = currentFrame + PLAYING_EVERY;
      const timestamp = this.voice.hutong_voice_playing();
      this.worker.postMessage({ type: 'playing', timestamp: Number.isNaN(timestamp) ? null : timestamp });
    }
    if (currentFrame >= this.statsAt) {
      this.statsAt = currentFrame + STATS_EVERY;
      this.worker.postMessage(this.stats());
    }
  }

  stats() {
    const place = this.voice.hutong_voice_stats();
    const counters = new Float64Array(this.voice.memory.buffer, place, STATS.length + 1);
    const stats = { type: 'stats', targetDelay: counters[STATS.length] / RATE };
    STATS.forEach((name, index) => {
      stats[name] = counters[index];
    });
    return stats;
  }

  fromPage(message) {
    if (message.type === 'close') {
      this.closed = true;
      if (this.worker) this.worker.close();
      this.worker = null;
    } else if (message.type === 'connect') {
      if (this.worker) this.worker.close();
      this.worker = message.port;
      this.worker.onmessage = ({ data }) => this.guard(() => this.fromWorker(data));
      if (this.failure !== null) this.worker.postMessage({ type: 'failed', reason: this.failure });
    }
  }

  fromWorker(message) {
    if (this.closed || this.failure !== null) return;
    if (message.type === 'capturing') {
      this.voice.hutong_voice_capture(message.on ? 1 : 0);
      this.look();
    } else if (message.type === 'voice') {
      const { timestamp, samples } = message;
      for (let from = 0; from < samples.length; from += this.longestPacket) {
        const part = samples.subarray(from, from + this.longestPacket);
        this.remote.set(part);
        this.voice.hutong_voice_insert(timestamp + (from * 1e6) / RATE, currentFrame, part.length);
        this.look();
      }
    }
  }

  // Whatever goes wrong is told once, and ends this node: half of a voice is worse than a plain word.
  guard(action) {
    try {
      action();
      return true;
    } catch (error) {
      if (this.failure === null) {
        this.failure = String((error && error.message) || error);
        const failed = { type: 'failed', reason: this.failure };
        this.port.postMessage(failed);
        if (this.worker) this.worker.postMessage(failed);
      }
      return false;
    }
  }
}

registerProcessor('hutong-voice', HutongVoice);
