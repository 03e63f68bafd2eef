// Lets the voice's module run for a while before the first call. JavaScriptCore interprets WebAssembly at first and compiles what runs
// often on threads of its own. In a call there is little left for them: on two busy processors the voice was interpreted for 22
// seconds, at half a processor. What is compiled belongs to the module, whoever runs it.
//
// A worker. Takes {type: "run", module}, the compiled module, and gives {type: "warm", took}, one number for each second of sound: what it
// took, in milliseconds. Then it ends.
"use strict";

const RATE = 48_000;
const QUANTUM = 128;
const PACKET_MS = 20;
// Most of what can be compiled is after three; what runs a hundred times a second takes longest.
const SECONDS = 10;
// Both sides talk and pause, as what is done in pauses is to be warm as well; and some packets are missing.
const WORD = 15;
const LOUD = 0.3;
const LOST = 37;

const run = async (module) => {
  const voice = new WebAssembly.Instance(module, {}).exports;
  // Any call may make the memory grow, and then the old views are empty.
  const speak = (place, length, loud) => {
    const samples = new Float32Array(voice.memory.buffer, place, length);
    for (let index = 0; index < length; index += 1) samples[index] = (Math.random() * 2 - 1) * loud;
  };
  const packet = voice.hutong_voice_packet();
  const [remote, microphone] = [voice.hutong_voice_remote(), voice.hutong_voice_microphone()];
  voice.hutong_voice_capture(1);
  let [frame, packets] = [0, 0];
  const talks = (after) => Math.floor((packets + after) / WORD) % 2;
  const second = () => {
    const begun = performance.now();
    for (const end = frame + RATE; frame < end; frame += QUANTUM) {
      if (frame >= packets * packet) {
        speak(remote, packet, talks(0) * LOUD);
        if (packets % LOST !== 0) voice.hutong_voice_insert(packets * PACKET_MS * 1000, frame, packet);
        packets += 1;
      }
      speak(microphone, QUANTUM, talks(WORD / 2) * LOUD);
      voice.hutong_voice_process(frame, QUANTUM, 1);
    }
    return performance.now() - begun;
  };
  const took = [];
  for (let seconds = 0; seconds < SECONDS; seconds += 1) {
    took.push(second());
    // A turn for whoever waits.
    await new Promise((resolve) => setTimeout(resolve));
  }
  return took;
};

onmessage = async ({ data }) => {
  try {
    postMessage({ type: "warm", took: await run(data.module) });
  } catch (error) {
    // The worklet meets the same, and tells it.
    postMessage({ type: "failed", reason: String(error) });
  }
  close();
};
