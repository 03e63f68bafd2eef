// Run in the app's page with `size`, `count` and `flight`: so many frames of so many bytes through `media_frame`, so many at a time.
// Their connection does not exist, so that each is carried to the core, read, and refused.
const { invoke } = window.__TAURI_INTERNALS__;
const frame = new Uint8Array(size);
frame[0] = 2; // a picture
frame.fill(255, 4, 8); // of the last connection that there could be
const trips = [];
const answers = {};
const one = async () => {
  const begun = performance.now();
  const answer = await invoke("media_frame", frame).then(() => "taken", String);
  trips.push(performance.now() - begun);
  answers[answer] = (answers[answer] || 0) + 1;
};
let left = count;
const begun = performance.now();
const lane = async () => {
  while (left > 0) {
    left -= 1;
    await one();
  }
};
await Promise.all(Array.from({ length: flight }, lane));
return { took: performance.now() - begun, trips, answers };
