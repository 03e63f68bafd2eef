// Run in a page that is loaded. A camera with a clock in its picture, and what is read of such a clock in the other side's video
// element: the same way in every browser and webview, whatever brings the picture there.
(() => {
  "use strict";
  if (window.__bench) return;

  const native = (window.__e2e && window.__e2e.native) || {};
  const every = native.setInterval || window.setInterval.bind(window);
  // The clock of the machine, which all pages share; WebKit gives no more than milliseconds of any clock.
  const clock = () => Date.now();
  const now = () => performance.timeOrigin + performance.now();

  const WIDTH = 640;
  const HEIGHT = 480;
  const RATE = 30;
  // The clock is written in two rows of blocks at the upper edge, white for 1: large enough for the smallest picture that is sent.
  const BLOCK = 40;
  const COLUMNS = WIDTH / BLOCK;
  const ROWS = 2;
  const TIME_BITS = 24;

  const bench = { firsts: [], frames: 0, values: 0, unread: 0, latencies: [], reading: false, shift: 0 };
  window.__bench = bench;

  const check = (value) => ((value & 255) * 3 + ((value >> 8) & 255) * 5 + ((value >> 16) & 255) * 7 + 90) & 255;
  const bits = (value) => {
    const all = [];
    for (let bit = TIME_BITS - 1; bit >= 0; bit -= 1) all.push((value >> bit) & 1);
    for (let bit = 7; bit >= 0; bit -= 1) all.push((check(value) >> bit) & 1);
    return all;
  };

  // Something to encode besides the clock: clouds that drift, as dense in every run.
  const clouds = () => {
    let seed = 7;
    const random = () => {
      seed = (Math.imul(seed, 1103515245) + 12345) & 0x7fffffff;
      return seed / 0x7fffffff;
    };
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: 2 * WIDTH, height: HEIGHT });
    const paper = canvas.getContext("2d", { willReadFrequently: true });
    for (const size of [80, 20, 8]) {
      const grain = document.createElement("canvas");
      Object.assign(grain, { width: WIDTH / size, height: HEIGHT / size });
      const dots = grain.getContext("2d");
      for (let y = 0; y < grain.height; y += 1) {
        for (let x = 0; x < grain.width; x += 1) {
          dots.fillStyle = `hsl(${200 * random()} 40% ${20 + 60 * random()}% / ${size === 80 ? 1 : 0.3})`;
          dots.fillRect(x, y, 1, 1);
        }
      }
      for (const side of [0, WIDTH]) paper.drawImage(grain, side, 0, WIDTH, HEIGHT);
    }
    return canvas;
  };

  // Has the page's camera be this from the next call on. The page's own is not asked for, so that it costs nothing.
  bench.camera = () => {
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: WIDTH, height: HEIGHT });
    // In memory and not by OpenGL: what a camera's picture costs to make is not the call's.
    const paper = canvas.getContext("2d", { willReadFrequently: true });
    const behind = clouds();
    let drift = 0;
    const draw = () => {
      drift = (drift + 3) % WIDTH;
      paper.drawImage(behind, -drift, 0);
      paper.fillStyle = "black";
      paper.fillRect(0, 0, WIDTH, ROWS * BLOCK);
      paper.fillStyle = "white";
      bits((clock() - bench.shift) & 0xffffff).forEach((bit, place) => {
        if (bit) paper.fillRect((place % COLUMNS) * BLOCK, Math.floor(place / COLUMNS) * BLOCK, BLOCK, BLOCK);
      });
    };
    draw();
    every(draw, 1000 / RATE);
    bench.stream = canvas.captureStream(RATE);
    const devices = window.MediaDevices && MediaDevices.prototype;
    if (!devices) return;
    const original = devices.getUserMedia;
    devices.getUserMedia = async function (wanted) {
      const stream = wanted.audio ? await original.call(this, { audio: wanted.audio }) : new MediaStream();
      if (wanted.video) stream.addTrack(bench.stream.getVideoTracks()[0].clone());
      return stream;
    };
  };

  // The clock in the picture, or nothing where its sum is wrong.
  const copy = document.createElement("canvas");
  Object.assign(copy, { width: COLUMNS * 4, height: ROWS * 4 });
  const paper = copy.getContext("2d", { willReadFrequently: true });
  const read = (video) => {
    const { videoWidth, videoHeight } = video;
    if (!videoWidth) return null;
    paper.drawImage(video, 0, 0, videoWidth, (videoHeight * ROWS * BLOCK) / HEIGHT, 0, 0, copy.width, copy.height);
    const { data } = paper.getImageData(0, 0, copy.width, copy.height);
    let value = 0;
    let sum = 0;
    for (let place = 0; place < COLUMNS * ROWS; place += 1) {
      const x = (place % COLUMNS) * 4 + 2;
      const y = Math.floor(place / COLUMNS) * 4 + 2;
      const bit = data[4 * (y * copy.width + x) + 1] > 127 ? 1 : 0;
      if (place < TIME_BITS) value = value * 2 + bit;
      else sum = sum * 2 + bit;
    }
    return sum === check(value) ? value : null;
  };

  // Follows this element: its first picture, its frames, and while `reading` how old each of them is.
  bench.follow = (video) => {
    let first = null;
    let last = null;
    const note = () => {
      const at = clock();
      bench.frames += 1;
      if (first === null && (!bench.stream || read(video) !== null)) {
        first = now();
        bench.firsts.push(first);
      }
      if (bench.reading) {
        const value = read(video);
        if (value === null) bench.unread += 1;
        else if (value !== last) {
          bench.values += 1;
          bench.latencies.push((at - value) & 0xffffff);
        }
        last = value;
      }
      video.requestVideoFrameCallback(note);
    };
    video.requestVideoFrameCallback(note);
  };
  let followed = null;
  const look = () => {
    const video = document.querySelector('[data-testid="remote-video"]');
    if (video === followed) return;
    followed = video;
    if (video) bench.follow(video);
  };
  new MutationObserver(look).observe(document, { childList: true, subtree: true });

  // Has neither picture drawn, or both again. They are decoded and played meanwhile as ever.
  const undrawn = new CSSStyleSheet();
  undrawn.replaceSync('[data-testid="remote-video"], .self { display: none !important; }');
  bench.draw = (on) => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((it) => it !== undrawn).concat(on ? [] : [undrawn]);
  };

  bench.start = () => Object.assign(bench, { values: 0, unread: 0, latencies: [], reading: true });
  bench.stop = () => {
    bench.reading = false;
    const { latencies, values, unread } = bench;
    return { latencies, values, unread };
  };
  bench.size = () => (followed ? [followed.videoWidth, followed.videoHeight] : [0, 0]);

  // The statistics of the call in the W3C's names: from the browser, or from the app, whose connections are numbered.
  bench.stats = async () => {
    if (window.RTCPeerConnection) {
      const [peer] = window.__e2e.openPeers();
      return peer ? [...(await peer.getStats()).values()] : [];
    }
    for (let connection = 1; connection < 100; connection += 1) {
      try {
        const reply = await window.__TAURI_INTERNALS__.invoke("media_order", { connection, order: { do: "stats" } });
        return JSON.parse(reply.with);
      } catch {
        // It was of a call before.
      }
    }
    return [];
  };
  bench.flow = async () => {
    const flow = { at: clock(), sent: 0, target: 0 };
    for (const report of await bench.stats()) {
      if (report.type !== "outbound-rtp") continue;
      flow.sent += report.bytesSent || 0;
      if (report.kind === "video") flow.target = report.targetBitrate || 0;
    }
    return flow;
  };
})();
