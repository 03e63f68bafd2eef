// Runs in a loaded page. A camera whose image shows a clock, and a reader of such a clock at the other side's video element: the same
// in every browser and webview, independent of the media engine.
(() => {
  "use strict";
  if (window.__bench) return;

  const native = (window.__e2e && window.__e2e.native) || {};
  const setInterval = native.setInterval || window.setInterval.bind(window);
  // The machine's clock, shared by all pages. WebKit's clocks have steps of 1 ms.
  const clock = () => Date.now();
  const now = () => performance.timeOrigin + performance.now();

  const WIDTH = 640;
  const HEIGHT = 480;
  const RATE = 30;
  // The clock is two rows of blocks at the upper edge, white for 1; large enough to survive the smallest resolution sent.
  const BLOCK = 40;
  const COLUMNS = WIDTH / BLOCK;
  const ROWS = 2;
  const TIME_BITS = 24;

  const bench = { firstFrames: [], frames: 0, readable: 0, unreadable: 0, ages: [], reading: false, shift: 0 };
  window.__bench = bench;

  const checksum = (value) => ((value & 255) * 3 + ((value >> 8) & 255) * 5 + ((value >> 16) & 255) * 7 + 90) & 255;
  const encodeBits = (value) => {
    const all = [];
    for (let bit = TIME_BITS - 1; bit >= 0; bit -= 1) all.push((value >> bit) & 1);
    for (let bit = 7; bit >= 0; bit -= 1) all.push((checksum(value) >> bit) & 1);
    return all;
  };

  // Background to encode besides the clock: drifting clouds, the same in every run.
  const clouds = () => {
    let seed = 7;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 2 * WIDTH, height: HEIGHT });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    for (const size of [80, 20, 8]) {
      const noise = document.createElement("canvas");
      Object.assign(noise, { width: WIDTH / size, height: HEIGHT / size });
      const noiseContext = noise.getContext("2d");
      for (let y = 0; y < noise.height; y += 1) {
        for (let x = 0; x < noise.width; x += 1) {
          noiseContext.fillStyle = `hsl(${200 * random()} 40% ${20 + 60 * random()}% / ${size === 80 ? 1 : 0.3})`;
          noiseContext.fillRect(x, y, 1, 1);
        }
      }
      for (const side of [0, WIDTH]) context.drawImage(noise, side, 0, WIDTH, HEIGHT);
    }
    return canvas;
  };

  // Replaces the page's camera by the clock from the next call on. The real camera is not opened, so it costs nothing.
  bench.camera = () => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: WIDTH, height: HEIGHT });
    // In memory and not with OpenGL: drawing the camera image is not part of the call's cost.
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const background = clouds();
    let drift = 0;
    const draw = () => {
      drift = (drift + 3) % WIDTH;
      context.drawImage(background, -drift, 0);
      context.fillStyle = "black";
      context.fillRect(0, 0, WIDTH, ROWS * BLOCK);
      context.fillStyle = "white";
      encodeBits((clock() - bench.shift) & 0xffffff).forEach((bit, index) => {
        if (bit) context.fillRect((index % COLUMNS) * BLOCK, Math.floor(index / COLUMNS) * BLOCK, BLOCK, BLOCK);
      });
    };
    draw();
    setInterval(draw, 1000 / RATE);
    bench.stream = canvas.captureStream(RATE);
    const devices = window.MediaDevices && MediaDevices.prototype;
    if (!devices) return;
    const original = devices.getUserMedia;
    devices.getUserMedia = async function (constraints) {
      const stream = constraints.audio ? await original.call(this, { audio: constraints.audio }) : new MediaStream();
      if (constraints.video) stream.addTrack(bench.stream.getVideoTracks()[0].clone());
      return stream;
    };
  };

  // The clock shown in the frame; null if its checksum is wrong.
  const copy = document.createElement("canvas");
  Object.assign(copy, { width: COLUMNS * 4, height: ROWS * 4 });
  const context = copy.getContext("2d", { willReadFrequently: true });
  const readClock = (video) => {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth) return null;
    context.drawImage(video, 0, 0, videoWidth, (videoHeight * ROWS * BLOCK) / HEIGHT, 0, 0, copy.width, copy.height);
    const { data } = context.getImageData(0, 0, copy.width, copy.height);
    let value = 0;
    let sum = 0;
    for (let index = 0; index < COLUMNS * ROWS; index += 1) {
      const x = (index % COLUMNS) * 4 + 2;
      const y = Math.floor(index / COLUMNS) * 4 + 2;
      const bit = data[4 * (y * copy.width + x) + 1] > 127 ? 1 : 0;
      if (index < TIME_BITS) value = value * 2 + bit;
      else sum = sum * 2 + bit;
    }
    return sum === checksum(value) ? value : null;
  };

  // Observes this element: its first frame, its frame count and, while `reading`, the age of each frame.
  bench.observe = (video) => {
    let first = null;
    let last = null;
    const onFrame = () => {
      const at = clock();
      bench.frames += 1;
      if (first === null && (!bench.stream || readClock(video) !== null)) {
        first = now();
        bench.firstFrames.push(first);
      }
      if (bench.reading) {
        const value = readClock(video);
        if (value === null) bench.unreadable += 1;
        else if (value !== last) {
          bench.readable += 1;
          bench.ages.push((at - value) & 0xffffff);
        }
        last = value;
      }
      video.requestVideoFrameCallback(onFrame);
    };
    video.requestVideoFrameCallback(onFrame);
  };
  let observed = null;
  const findVideo = () => {
    const video = document.querySelector('[data-testid="remote-video"]');
    if (video === observed) return;
    observed = video;
    if (video) bench.observe(video);
  };
  new MutationObserver(findVideo).observe(document, { childList: true, subtree: true });

  // Hides or shows both videos. They are decoded and played either way.
  const hidden = new CSSStyleSheet();
  hidden.replaceSync('[data-testid="remote-video"], .self { display: none !important; }');
  bench.setRendering = (on) => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((it) => it !== hidden).concat(on ? [] : [hidden]);
  };

  bench.startReading = () => Object.assign(bench, { readable: 0, unreadable: 0, ages: [], reading: true });
  bench.stopReading = () => {
    bench.reading = false;
    const { ages, readable, unreadable } = bench;
    return { ages, readable, unreadable };
  };
  bench.videoSize = () => (observed ? [observed.videoWidth, observed.videoHeight] : [0, 0]);

  // The call's statistics in W3C form: from the browser, or from the app's native peer, whose connections are numbered.
  bench.stats = async () => {
    if (window.RTCPeerConnection) {
      const [peer] = window.__e2e.openPeers();
      return peer ? [...(await peer.getStats()).values()] : [];
    }
    for (let connection = 1; connection < 100; connection += 1) {
      try {
        const reply = await window.__TAURI_INTERNALS__.invoke("media_request", { connection, request: { do: "get_stats" } });
        return JSON.parse(reply.with);
      } catch {
        // This connection belonged to an earlier call.
      }
    }
    return [];
  };
  bench.sentTotals = async () => {
    const totals = { at: clock(), sent: 0, target: 0 };
    for (const report of await bench.stats()) {
      if (report.type !== "outbound-rtp") continue;
      totals.sent += report.bytesSent || 0;
      if (report.kind === "video") totals.target = report.targetBitrate || 0;
    }
    return totals;
  };
})();
