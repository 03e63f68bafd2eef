// Web worker: runs the voice module on synthetic audio before the first call, so that JavaScriptCore compiles it. JavaScriptCore
// interprets WebAssembly at first, and compiles hot functions on background threads, which are starved during a call: on two
// busy cores the module was interpreted for 22 s, at half a core. Compiled code belongs to the module, whichever instance runs.
//
// Receives {type: "precompile", module}, a compiled module. Posts {type: "precompiled", took}, the milliseconds that each second
// of audio took, or {type: "failed", reason}; then closes.
"use strict";

const RATE = 48_000;
const QUANTUM = 128;
const PACKET_MS = 20;
// Seconds of audio. Most functions are compiled after three; those that run only a hundred times a second take longest.
const SECONDS = 10;
// Both sides alternate between noise and silence, and packets are lost, so that all code paths are compiled. In packets: the
// length of each phase, and the interval of losses.
const PHASE = 15;
const AMPLITUDE = 0.3;
const LOSS_INTERVAL = 37;

const run = async (module) => {
  const voice = new WebAssembly.Instance(module, {}).exports;
  // A new view each time: any call may grow the memory, which detaches old views.
  const fillNoise = (address, length, amplitude) => {
    const samples = new Float32Array(voice.memory.buffer, address, length);
    for (let index = 0; index < length; index += 1) samples[index] = (Math.random() * 2 - 1) * amplitude;
  };
  const packet = voice.hutong_voice_packet();
  const [remote, microphone] = [voice.hutong_voice_remote(), voice.hutong_voice_microphone()];
  voice.hutong_voice_capture(1);
  let [frame, packets] = [0, 0];
  const isLoud = (shift) => Math.floor((packets + shift) / PHASE) % 2;
  const runSecond = () => {
    const begun = performance.now();
    for (const end = frame + RATE; frame < end; frame += QUANTUM) {
      if (frame >= packets * packet) {
        fillNoise(remote, packet, isLoud(0) * AMPLITUDE);
        if (packets % LOSS_INTERVAL !== 0) voice.hutong_voice_insert(packets * PACKET_MS * 1000, frame, packet);
        packets += 1;
      }
      fillNoise(microphone, QUANTUM, isLoud(PHASE / 2) * AMPLITUDE);
      voice.hutong_voice_process(frame, QUANTUM, 1);
    }
    return performance.now() - begun;
  };
  const took = [];
  for (let seconds = 0; seconds < SECONDS; seconds += 1) {
    took.push(runSecond());
    // Yields to other work of the page's process.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return took;
};

onmessage = async ({ data }) => {
  try {
    postMessage({ type: "precompiled", took: await run(data.module) });
  } catch (error) {
    // The worklet will fail the same way, and report it.
    postMessage({ type: "failed", reason: String(error) });
  }
  close();
};
