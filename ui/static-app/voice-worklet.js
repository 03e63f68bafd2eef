// Audio worklet processor of the native media backend: runs crates/voice (WebAssembly) on the audio thread, between the audio
// devices and the audio worker.
//
// The node has one input, the microphone (optional), and one output, the remote audio. `processorOptions.module` is the
// compiled module. Messages of the node's port:
//   receives {type: "connect", port}   port of the audio worker
//            {type: "close"}           ends the node
//   posts    {type: "failed", reason}
//            {type: "closed"}          after the last process() call
// Messages of the worker's port:
//   receives {type: "voice", timestamp, samples}      decoded audio: sender's time in microseconds, Float32Array at 48 kHz
//            {type: "capturing", on}                  whether to capture the microphone
//   posts    {type: "captured", timestamp, samples}   20 ms of the microphone: audio clock in microseconds, 960 samples
//            {type: "playing", timestamp}             ten times a second: sender's time of the audio that is playing, or null
//            {type: "stats", ...}                     once a second
//            {type: "failed", reason}
'use strict';

const RATE = 48000;
// Intervals of messages, in samples.
const PLAYING_INTERVAL = RATE / 10;
const STATS_INTERVAL = RATE;

// The counters of `hutong_voice_stats`, in its order, by the names of RTCInboundRtpStreamStats where they exist.
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
    this.nextPlaying = 0;
    this.nextStats = 0;
    this.port.onmessage = ({ data }) => this.guard(() => this.handlePageMessage(data));
    this.guard(() => this.start(options.processorOptions));
  }

  start(options) {
    if (sampleRate !== RATE) throw new Error(`audio context runs at ${sampleRate} Hz instead of ${RATE} Hz`);
    const module = options && options.module;
    if (!(module instanceof WebAssembly.Module)) throw new Error('processorOptions has no module');
    this.voice = new WebAssembly.Instance(module, {}).exports;
    this.longestPacket = this.voice.hutong_voice_longest_packet();
    this.longestQuantum = this.voice.hutong_voice_longest_quantum();
    this.packet = this.voice.hutong_voice_packet();
    this.addresses = {
      remote: this.voice.hutong_voice_remote(),
      microphone: this.voice.hutong_voice_microphone(),
      speaker: this.voice.hutong_voice_speaker(),
      captured: this.voice.hutong_voice_captured(),
    };
    this.memory = null;
    this.updateViews();
  }

  // Renews the views of the module's memory: any call may grow it, which detaches old views.
  updateViews() {
    const memory = this.voice.memory.buffer;
    if (memory === this.memory) return;
    this.memory = memory;
    this.remote = new Float32Array(memory, this.addresses.remote, this.longestPacket);
    this.microphone = new Float32Array(memory, this.addresses.microphone, this.longestQuantum);
    this.speaker = new Float32Array(memory, this.addresses.speaker, this.longestQuantum);
    this.captured = new Float32Array(memory, this.addresses.captured, this.packet);
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
    if (length > this.longestQuantum) throw new Error(`render quantum of ${length} frames is too long`);
    const hasInput = microphone !== undefined && microphone.length === length;
    if (hasInput) this.microphone.set(microphone);
    const captured = this.voice.hutong_voice_process(currentFrame, length, hasInput ? 1 : 0);
    this.updateViews();
    for (let index = 0; speaker && index < length; index += 1) speaker[index] = this.speaker[index];
    if (!this.worker) return;
    if (captured) {
      const samples = this.captured.slice();
      const timestamp = this.voice.hutong_voice_captured_at();
      this.worker.postMessage({ type: 'captured', timestamp, samples }, [samples.buffer]);
    }
    if (currentFrame >= this.nextPlaying) {
      this.nextPlaying = currentFrame + PLAYING_INTERVAL;
      const timestamp = this.voice.hutong_voice_playing();
      this.worker.postMessage({ type: 'playing', timestamp: Number.isNaN(timestamp) ? null : timestamp });
    }
    if (currentFrame >= this.nextStats) {
      this.nextStats = currentFrame + STATS_INTERVAL;
      this.worker.postMessage(this.stats());
    }
  }

  stats() {
    const address = this.voice.hutong_voice_stats();
    const counters = new Float64Array(this.voice.memory.buffer, address, STATS.length + 1);
    const stats = { type: 'stats', targetDelay: counters[STATS.length] / RATE };
    STATS.forEach((name, index) => {
      stats[name] = counters[index];
    });
    return stats;
  }

  handlePageMessage(message) {
    if (message.type === 'close') {
      this.closed = true;
      if (this.worker) this.worker.close();
      this.worker = null;
    } else if (message.type === 'connect') {
      if (this.worker) this.worker.close();
      this.worker = message.port;
      this.worker.onmessage = ({ data }) => this.guard(() => this.handleWorkerMessage(data));
      if (this.failure !== null) this.worker.postMessage({ type: 'failed', reason: this.failure });
    }
  }

  handleWorkerMessage(message) {
    if (this.closed || this.failure !== null) return;
    if (message.type === 'capturing') {
      this.voice.hutong_voice_capture(message.on ? 1 : 0);
      this.updateViews();
    } else if (message.type === 'voice') {
      const { timestamp, samples } = message;
      for (let from = 0; from < samples.length; from += this.longestPacket) {
        const part = samples.subarray(from, from + this.longestPacket);
        this.remote.set(part);
        this.voice.hutong_voice_insert(timestamp + (from * 1e6) / RATE, currentFrame, part.length);
        this.updateViews();
      }
    }
  }

  // Reports the first exception, and ends the node: broken audio is worse than an error.
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
