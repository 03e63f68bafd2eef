// Runs in the app's page with `size`, `count` and `inFlight` defined: sends `count` frames of `size` bytes through `media_send_frame`,
// `inFlight` at a time. Their connection does not exist: the core receives each frame, parses it, and rejects it.
const { invoke } = window.__TAURI_INTERNALS__;
const frame = new Uint8Array(size);
frame[0] = 2; // video
frame.fill(255, 4, 8); // the highest connection number
const trips = [];
const replies = {};
const sendOne = async () => {
  const start = performance.now();
  const reply = await invoke("media_send_frame", frame).then(() => "taken", String);
  trips.push(performance.now() - start);
  replies[reply] = (replies[reply] || 0) + 1;
};
let left = count;
const start = performance.now();
const sender = async () => {
  while (left > 0) {
    left -= 1;
    await sendOne();
  }
};
await Promise.all(Array.from({ length: inFlight }, sender));
return { took: performance.now() - start, trips, replies };
