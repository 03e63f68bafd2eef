// Runs in a loaded page, before a call. Takes one sample a second of the received media, at little cost to the page: in a browser
// getStats and one look at the video's pixels; in a webview without peer connections the video element's frame count and an analyser
// in the media engine's own audio context. No pixels there: such a page is drawn in software.
(() => {
  "use strict";
  if (window.__sampler) return;

  const INTERVAL = 1000; // ms
  const WIDTH = 32;
  const HEIGHT = 24;
  const ANALYSER_SIZE = 32768; // samples in the analyser's buffer: 0.7 s
  const e2e = window.__e2e;
  const inBrowser = typeof RTCPeerConnection !== "undefined";
  const remoteVideo = () => document.querySelector('[data-testid="remote-video"]');

  let analyser = null;
  let analysedTo = 0; // s of the audio context's time
  if (!inBrowser) {
    const connect = AudioNode.prototype.connect;
    AudioNode.prototype.connect = function (to, ...rest) {
      if (this instanceof AudioWorkletNode && to instanceof MediaStreamAudioDestinationNode) {
        analyser = new AnalyserNode(this.context, { fftSize: ANALYSER_SIZE });
        analysedTo = this.context.currentTime;
        connect.call(this, analyser);
      }
      return connect.call(this, to, ...rest);
    };
  }
  const buffer = new Float32Array(ANALYSER_SIZE);
  // Mean square of what the audio context rendered since the last call, at most of the last 0.7 s. Null without a measurement: no
  // context, or one that rendered nothing. The analyser of such a context still holds old audio, even in state "running".
  const power = () => {
    if (!analyser || analyser.context.state !== "running") return null;
    const { currentTime, sampleRate } = analyser.context;
    const rendered = Math.round((currentTime - analysedTo) * sampleRate);
    analysedTo = currentTime;
    if (rendered <= 0) return null;
    analyser.getFloatTimeDomainData(buffer);
    const fresh = buffer.subarray(-Math.min(rendered, ANALYSER_SIZE));
    return fresh.reduce((sum, it) => sum + it * it, 0) / fresh.length;
  };

  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const inspectFrame = () => {
    const video = remoteVideo();
    if (!inBrowser || !video || !video.videoWidth) return null;
    context.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
    let [hash, sum, squares] = [0, 0, 0];
    for (let at = 0; at < data.length; at += 4) {
      const luma = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      sum += luma;
      squares += luma * luma;
      hash = (Math.imul(hash, 31) + (data[at] << 16) + (data[at + 1] << 8) + data[at + 2]) | 0;
    }
    const mean = sum / (WIDTH * HEIGHT);
    return { hash, deviation: Math.sqrt(Math.max(0, squares / (WIDTH * HEIGHT) - mean * mean)) };
  };

  // Totals so far.
  const readTotals = async () => {
    const image = inspectFrame();
    if (inBrowser) return { ...(await e2e.receivedTotals()), image };
    const video = remoteVideo();
    const frames = video ? video.getVideoPlaybackQuality().totalVideoFrames : 0;
    return { at: e2e.now(), frames, power: power(), image };
  };
  const level = (now, before) => {
    if (!inBrowser) return now.power === null ? null : Math.sqrt(now.power);
    // The sample count also grows while nothing arrives (concealment). If it does not, there is no audio track or nothing plays it.
    if (now.samples <= before.samples) return null;
    return Math.sqrt(Math.max(0, now.energy - before.energy) / ((now.at - before.at) / 1000));
  };

  // Calls back with each sample until the callback returns true or another run begins.
  let currentRun = 0;
  const forEachSample = async (onSample) => {
    currentRun += 1;
    const thisRun = currentRun;
    let before = await readTotals();
    for (;;) {
      await new Promise((due) => e2e.native.setTimeout(due, INTERVAL));
      const now = await readTotals();
      if (thisRun !== currentRun) return;
      const video = remoteVideo();
      const sample = {
        seconds: (now.at - before.at) / 1000,
        frames: Math.max(0, now.frames - before.frames),
        level: level(now, before),
        changed: now.image && before.image ? now.image.hash !== before.image.hash : null,
        lumaDeviation: now.image ? now.image.deviation : null,
        width: video ? video.videoWidth : 0,
        height: video ? video.videoHeight : 0,
      };
      before = now;
      if (onSample(sample)) return;
    }
  };

  window.__sampler = {
    // The next `count` samples.
    take: (count) =>
      new Promise((done) => {
        const samples = [];
        forEachSample((sample) => samples.push(sample) === count && (done(samples), true));
      }),
    // Samples until `inARow` consecutive ones meet the condition, `count` at most.
    until: (condition, inARow, count) =>
      new Promise((done) => {
        const samples = [];
        let row = 0;
        forEachSample((sample) => {
          row = condition(sample) ? row + 1 : 0;
          const met = row === inARow;
          return (samples.push(sample) === count || met) && (done({ met, samples }), true);
        });
      }),
  };
})();
