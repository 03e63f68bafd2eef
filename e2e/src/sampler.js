// Run in a page that is loaded, before a call. Takes one sample a second of what arrives from the other side, by what costs the page
// little: a browser's getStats and one look at the picture; in a webview without peer connections what the video element counts and an
// analyser in the media engine's own audio context, and no pixels, since such a page is drawn in software.
(() => {
  "use strict";
  if (window.__sampler) return;

  const EVERY = 1000; // ms
  const WIDTH = 32;
  const HEIGHT = 24;
  const HEARD = 32768; // samples that the analyser remembers: 0.7 s
  const e2e = window.__e2e;
  const inBrowser = typeof RTCPeerConnection !== "undefined";
  const element = () => document.querySelector('[data-testid="remote-video"]');

  let analyser = null;
  let heardTo = 0; // s of the audio context's time
  if (!inBrowser) {
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...rest) {
      if (this instanceof AudioWorkletNode && to instanceof MediaStreamAudioDestinationNode) {
        analyser = new AnalyserNode(this.context, { fftSize: HEARD });
        heardTo = this.context.currentTime;
        connect.call(this, analyser);
      }
      return connect.call(this, to, ...rest);
    };
  }
  const remembered = new Float32Array(HEARD);
  // The mean square of what the audio context rendered since the last look, or of its last 0.7 s. Null where nothing was measured: no
  // context, or one that rendered nothing, whose analyser still holds old audio, also while its state is "running".
  const power = () => {
    if (!analyser || analyser.context.state !== "running") return null;
    const { currentTime, sampleRate } = analyser.context;
    const rendered = Math.round((currentTime - heardTo) * sampleRate);
    heardTo = currentTime;
    if (rendered <= 0) return null;
    analyser.getFloatTimeDomainData(remembered);
    const fresh = remembered.subarray(-Math.min(rendered, HEARD));
    return fresh.reduce((sum, it) => sum + it * it, 0) / fresh.length;
  };

  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const paper = canvas.getContext("2d", { willReadFrequently: true });
  const look = () => {
    const video = element();
    if (!inBrowser || !video || !video.videoWidth) return null;
    paper.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const { data } = paper.getImageData(0, 0, WIDTH, HEIGHT);
    let [hash, sum, squares] = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) {
      const luma = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      sum += luma;
      squares += luma * luma;
      hash = (Math.imul(hash, 31) + (data[at] << 16) + (data[at + 1] << 8) + data[at + 2]) | 0;
    }
    const mean = sum / (WIDTH * HEIGHT);
    return { hash, spread: Math.sqrt(Math.max(0, squares / (WIDTH * HEIGHT) - mean * mean)) };
  };

  // Sums so far.
  const read = async () => {
    const picture = look();
    if (inBrowser) return { ...(await e2e.received()), picture };
    const video = element();
    const frames = video ? video.getVideoPlaybackQuality().totalVideoFrames : 0;
    return { at: e2e.now(), frames, power: power(), picture };
  };
  const level = (now, before) => {
    if (!inBrowser) return now.power === null ? null : Math.sqrt(now.power);
    // Samples count on while nothing arrives, as concealed ones: where they do not, there is no audio track, or nothing plays it.
    if (now.samples <= before.samples) return null;
    return Math.sqrt(Math.max(0, now.energy - before.energy) / ((now.at - before.at) / 1000));
  };

  // Calls back with each sample from now on, until it returns true or another begins.
  let running = 0;
  const each = async (take) => {
    running += 1;
    const own = running;
    let before = await read();
    for (;;) {
      await new Promise((due) => e2e.native.setTimeout(due, EVERY));
      const now = await read();
      if (own !== running) return;
      const video = element();
      const sample = {
        seconds: (now.at - before.at) / 1000,
        frames: Math.max(0, now.frames - before.frames),
        level: level(now, before),
        changed: now.picture && before.picture ? now.picture.hash !== before.picture.hash : null,
        spread: now.picture ? now.picture.spread : null,
        width: video ? video.videoWidth : 0,
        height: video ? video.videoHeight : 0,
      };
      before = now;
      if (take(sample)) return;
    }
  };

  window.__sampler = {
    // The next samples.
    next: (count) =>
      new Promise((done) => {
        const samples = [];
        each((sample) => samples.push(sample) === count && (done(samples), true));
      }),
    // The samples from now to the one with which so many in a row have met a condition, or to the last one that may.
    until: (condition, inARow, count) =>
      new Promise((done) => {
        const samples = [];
        let row = 0;
        each((sample) => {
          row = condition(sample) ? row + 1 : 0;
          const met = row === inARow;
          return (samples.push(sample) === count || met) && (done({ met, samples }), true);
        });
      }),
  };
})();
