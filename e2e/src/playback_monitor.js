// Runs in a loaded page. Measures the remote side's video and audio at the video element alone, the same way in every browser and
// webview: it wraps no API and does not depend on the media engine.
(() => {
  "use strict";
  if (window.__playbackMonitor) return;

  const native = (window.__e2e && window.__e2e.native) || {};
  const setInterval = native.setInterval || window.setInterval.bind(window);
  const Context = native.AudioContext || window.AudioContext;
  // Milliseconds, comparable between the pages of one machine.
  const now = () => performance.timeOrigin + performance.now();

  const TICK = 50; // ms
  const AUDIO_INTERVAL = 250; // ms: reading an analyser costs the same however few of its samples are new
  const IMAGE_INTERVAL = 150; // ms: without a GPU, copying every frame would slow down what is measured
  const BLOCK = 0.01; // s: resolution of silence
  const SILENCE = 1e-3; // root mean square of full scale 1: -60 dB
  const WINDOW = 32768; // samples in an analyser's buffer
  const WINDOWS = 4; // analysers, each delayed by a buffer more: a page that is busy for 4 buffers (2.7 s) misses nothing
  const WIDTH = 32;
  const HEIGHT = 24;
  const BLACK = 24; // of 255, highest mean luma of a black frame, which is of a single colour: WebKit's test image is bright lines on black
  const PLAIN = 8; // highest luma deviation of a frame of a single colour

  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const context = canvas.getContext("2d", { willReadFrequently: true });

  let video = null;
  let audioContext = null;
  let tap = null; // the analysers on the current audio tracks
  let tappedTracks = "";
  let image = null;
  let sound = null;
  const clear = () => {
    const at = now();
    image = {
      startedAt: at,
      frames: 0,
      frameAt: at,
      longestFreeze: 0,
      changes: 0,
      firstChange: null,
      changeAt: at,
      longestUnchanged: 0,
      inspected: 0,
      black: 0,
      luma: 0,
      deviation: 0,
      hash: image ? image.hash : 0,
    };
    sound = { measured: 0, missed: 0, energy: 0, silence: 0, run: 0, gap: 0, gapEnd: 0, first: null, onsets: [] };
  };
  clear();

  // Hashes a small copy of the frame, to tell whether it differs from the last one.
  let inspectedAt = -Infinity;
  const inspectFrame = () => {
    if (!video || !video.videoWidth || now() - inspectedAt < IMAGE_INTERVAL) return;
    inspectedAt = now();
    context.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const { data } = context.getImageData(0, 0, WIDTH, HEIGHT);
    let hash = 0;
    let sum = 0;
    let squares = 0;
    for (let at = 0; at < data.length; at += 4) {
      const luma = 0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2];
      sum += luma;
      squares += luma * luma;
      hash = (Math.imul(hash, 31) + (data[at] << 16) + (data[at + 1] << 8) + data[at + 2]) | 0;
    }
    const count = data.length / 4;
    image.luma = sum / count;
    image.deviation = Math.sqrt(Math.max(0, squares / count - image.luma * image.luma));
    image.inspected += 1;
    if (image.luma < BLACK && image.deviation < PLAIN) image.black += 1;
    if (hash === image.hash) return;
    const at = now();
    image.longestUnchanged = Math.max(image.longestUnchanged, at - image.changeAt);
    image.hash = hash;
    image.changeAt = at;
    image.changes += 1;
    image.firstChange ??= at - image.startedAt;
  };
  const countFrames = (element) => {
    const onFrame = () => {
      if (element !== video) return;
      const at = now();
      image.longestFreeze = Math.max(image.longestFreeze, at - image.frameAt);
      image.frameAt = at;
      image.frames += 1;
      inspectFrame();
      element.requestVideoFrameCallback(onFrame);
    };
    if (element.requestVideoFrameCallback) element.requestVideoFrameCallback(onFrame);
  };

  const tapTracks = (tracks) => {
    if (tap) tap.source.disconnect();
    tap = null;
    if (tracks.length === 0) return;
    audioContext ??= new Context({ latencyHint: "playback" });
    const source = audioContext.createMediaStreamSource(new MediaStream(tracks));
    const mute = new GainNode(audioContext, { gain: 0 });
    mute.connect(audioContext.destination);
    const analysers = [];
    let from = source;
    for (let index = 0; index < WINDOWS; index += 1) {
      const analyser = new AnalyserNode(audioContext, { fftSize: WINDOW });
      from.connect(analyser);
      analyser.connect(mute);
      analysers.push(analyser);
      const delay = new DelayNode(audioContext, { maxDelayTime: 1, delayTime: WINDOW / audioContext.sampleRate });
      from.connect(delay);
      from = delay;
    }
    const size = Math.round(audioContext.sampleRate * BLOCK);
    const position = Math.floor(audioContext.currentTime * audioContext.sampleRate);
    tap = { source, analysers, position, size, filled: 0, energy: 0, clock: 0 };
  };
  const buffer = new Float32Array(WINDOW);
  let audioReadAt = -Infinity;
  const readAudio = () => {
    audioReadAt = now();
    if (!tap) return;
    if (audioContext.state !== "running") audioContext.resume();
    const rate = audioContext.sampleRate;
    const position = Math.floor(audioContext.currentTime * rate);
    let count = position - tap.position;
    if (count <= 0) return;
    tap.position = position;
    if (count > WINDOW * WINDOWS) {
      sound.missed += (count - WINDOW * WINDOWS) / rate;
      count = WINDOW * WINDOWS;
    }
    for (let index = Math.ceil(count / WINDOW) - 1; index >= 0; index -= 1) {
      tap.analysers[index].getFloatTimeDomainData(buffer);
      for (let at = Math.max(0, WINDOW * (index + 1) - count); at < WINDOW; at += 1) {
        tap.energy += buffer[at] * buffer[at];
        tap.filled += 1;
        if (tap.filled === tap.size) {
          addBlock(tap.energy / tap.size);
          tap.filled = tap.energy = 0;
        }
      }
    }
  };
  const addBlock = (power) => {
    tap.clock += BLOCK;
    sound.measured += BLOCK;
    sound.energy += power * BLOCK;
    if (Math.sqrt(power) < SILENCE) {
      sound.silence += BLOCK;
      sound.run += BLOCK;
      if (sound.run > sound.gap) [sound.gap, sound.gapEnd] = [sound.run, sound.measured];
      return;
    }
    if (sound.run >= 0.1 && sound.onsets.length < 1000) sound.onsets.push(tap.clock);
    sound.run = 0;
    sound.first ??= sound.measured;
  };

  const update = () => {
    const element = document.querySelector('[data-testid="remote-video"]');
    if (element !== video) {
      video = element;
      if (video) countFrames(video);
    }
    const tracks = video && video.srcObject ? video.srcObject.getAudioTracks() : [];
    const ids = tracks.map((track) => track.id).join();
    if (ids !== tappedTracks) {
      tappedTracks = ids;
      tapTracks(tracks);
    }
    // A page that is not drawn gets no frame callbacks; its frames are inspected by timer.
    if (now() - image.frameAt > 4 * TICK) inspectFrame();
  };
  setInterval(() => {
    update();
    if (now() - audioReadAt > AUDIO_INTERVAL) readAudio();
  }, TICK);

  window.__playbackMonitor = {
    reset: () => {
      update();
      readAudio();
      clear();
    },
    // Milliseconds since the last reset.
    elapsed: () => now() - image.startedAt,
    report: () => {
      update();
      readAudio();
      const at = now();
      return {
        at,
        startedAt: image.startedAt,
        visible: document.visibilityState === "visible",
        frames: image.frames,
        decodedFrames: video && video.getVideoPlaybackQuality ? video.getVideoPlaybackQuality().totalVideoFrames : 0,
        longestFreeze: Math.max(image.longestFreeze, at - image.frameAt),
        contentChanges: image.changes,
        firstContentChange: image.firstChange,
        longestUnchanged: Math.max(image.longestUnchanged, at - image.changeAt),
        inspectedFrames: image.inspected,
        blackFrames: image.black,
        luma: image.luma,
        lumaDeviation: image.deviation,
        width: video ? video.videoWidth : 0,
        height: video ? video.videoHeight : 0,
        hasAudio: !!tap && audioContext.state === "running",
        audioMeasured: sound.measured * 1000,
        audioMissed: sound.missed * 1000,
        audioEnergy: sound.energy,
        firstAudio: sound.first === null ? null : sound.first * 1000,
        silence: sound.silence * 1000,
        longestGap: sound.gap * 1000,
        gapEnd: sound.gapEnd * 1000,
        onsets: sound.onsets.map((time) => time * 1000),
      };
    },
  };
})();
