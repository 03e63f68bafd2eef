// Run in a page that is loaded. Measures what is seen and heard of the other side from its video element alone, the same way
// in every browser and webview: it wraps nothing, and knows nothing of what brings picture and sound there.
(() => {
  "use strict";
  if (window.__watch) return;

  const native = (window.__e2e && window.__e2e.native) || {};
  const every = native.setInterval || window.setInterval.bind(window);
  const Context = native.AudioContext || window.AudioContext;
  // Comparable between the pages of one machine, in milliseconds.
  const now = () => performance.timeOrigin + performance.now();

  const TICK = 50; // ms
  const LISTEN = 250; // ms: sound is remembered for seconds, and to take it out costs the same however little of it is new
  const SIGN = 150; // ms: to copy every frame is much work for a page without a graphics card, and would slow down what is measured
  const BLOCK = 0.01; // s: how finely silence is measured
  const SILENCE = 1e-3; // root mean square, of 1: -60 dB
  const WINDOW = 32768; // samples that an analyser remembers
  const WINDOWS = 4; // analysers, each behind the one before: a page may be busy for this many windows, and nothing is missed
  const WIDTH = 32;
  const HEIGHT = 24;
  const BLACK = 24; // of 255, at most, and of a single colour: WebKit's test picture is bright lines on black
  const PLAIN = 8;

  const canvas = document.createElement("canvas");
  canvas.width = WIDTH;
  canvas.height = HEIGHT;
  const paper = canvas.getContext("2d", { willReadFrequently: true });

  let video = null;
  let ear = null;
  let audio = null;
  let heardTracks = "";
  let picture = null;
  let sound = null;
  const fresh = () => {
    const at = now();
    picture = {
      since: at,
      frames: 0,
      frameAt: at,
      freeze: 0,
      changes: 0,
      firstChange: null,
      changeAt: at,
      still: 0,
      samples: 0,
      black: 0,
      luma: 0,
      spread: 0,
      signature: picture ? picture.signature : 0,
    };
    sound = { heard: 0, unseen: 0, energy: 0, silent: 0, run: 0, gap: 0, gapAt: 0, first: null, onsets: [] };
  };
  fresh();

  // A sum over a small copy of the picture: another picture, another sum.
  let signedAt = -Infinity;
  const sign = () => {
    if (!video || !video.videoWidth || now() - signedAt < SIGN) return;
    signedAt = now();
    paper.drawImage(video, 0, 0, WIDTH, HEIGHT);
    const { data } = paper.getImageData(0, 0, WIDTH, HEIGHT);
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
    picture.luma = sum / count;
    picture.spread = Math.sqrt(Math.max(0, squares / count - picture.luma * picture.luma));
    picture.samples += 1;
    if (picture.luma < BLACK && picture.spread < PLAIN) picture.black += 1;
    if (hash === picture.signature) return;
    const at = now();
    picture.still = Math.max(picture.still, at - picture.changeAt);
    picture.signature = hash;
    picture.changeAt = at;
    picture.changes += 1;
    picture.firstChange ??= at - picture.since;
  };
  const follow = (element) => {
    const note = () => {
      if (element !== video) return;
      const at = now();
      picture.freeze = Math.max(picture.freeze, at - picture.frameAt);
      picture.frameAt = at;
      picture.frames += 1;
      sign();
      element.requestVideoFrameCallback(note);
    };
    if (element.requestVideoFrameCallback) element.requestVideoFrameCallback(note);
  };

  const listen = (tracks) => {
    if (audio) audio.source.disconnect();
    audio = null;
    if (tracks.length === 0) return;
    ear ??= new Context({ latencyHint: "playback" });
    const source = ear.createMediaStreamSource(new MediaStream(tracks));
    const mute = new GainNode(ear, { gain: 0 });
    mute.connect(ear.destination);
    const analysers = [];
    let from = source;
    for (let place = 0; place < WINDOWS; place += 1) {
      const analyser = new AnalyserNode(ear, { fftSize: WINDOW });
      from.connect(analyser);
      analyser.connect(mute);
      analysers.push(analyser);
      const delay = new DelayNode(ear, { maxDelayTime: 1, delayTime: WINDOW / ear.sampleRate });
      from.connect(delay);
      from = delay;
    }
    const size = Math.round(ear.sampleRate * BLOCK);
    audio = { source, analysers, taken: Math.floor(ear.currentTime * ear.sampleRate), size, filled: 0, energy: 0, clock: 0 };
  };
  const remembered = new Float32Array(WINDOW);
  let heardAt = -Infinity;
  const hear = () => {
    heardAt = now();
    if (!audio) return;
    if (ear.state !== "running") ear.resume();
    const rate = ear.sampleRate;
    const position = Math.floor(ear.currentTime * rate);
    let count = position - audio.taken;
    if (count <= 0) return;
    audio.taken = position;
    if (count > WINDOW * WINDOWS) {
      sound.unseen += (count - WINDOW * WINDOWS) / rate;
      count = WINDOW * WINDOWS;
    }
    for (let place = Math.ceil(count / WINDOW) - 1; place >= 0; place -= 1) {
      audio.analysers[place].getFloatTimeDomainData(remembered);
      for (let at = Math.max(0, WINDOW * (place + 1) - count); at < WINDOW; at += 1) {
        audio.energy += remembered[at] * remembered[at];
        audio.filled += 1;
        if (audio.filled === audio.size) {
          block(audio.energy / audio.size);
          audio.filled = audio.energy = 0;
        }
      }
    }
  };
  const block = (power) => {
    audio.clock += BLOCK;
    sound.heard += BLOCK;
    sound.energy += power * BLOCK;
    if (Math.sqrt(power) < SILENCE) {
      sound.silent += BLOCK;
      sound.run += BLOCK;
      if (sound.run > sound.gap) [sound.gap, sound.gapAt] = [sound.run, sound.heard];
      return;
    }
    if (sound.run >= 0.1 && sound.onsets.length < 1000) sound.onsets.push(audio.clock);
    sound.run = 0;
    sound.first ??= sound.heard;
  };

  const look = () => {
    const element = document.querySelector('[data-testid="remote-video"]');
    if (element !== video) {
      video = element;
      if (video) follow(video);
    }
    const tracks = video && video.srcObject ? video.srcObject.getAudioTracks() : [];
    const names = tracks.map((track) => track.id).join();
    if (names !== heardTracks) {
      heardTracks = names;
      listen(tracks);
    }
    // Where nothing is drawn on the screen no frame is called back, and pictures are looked at all the same.
    if (now() - picture.frameAt > 4 * TICK) sign();
  };
  every(() => {
    look();
    if (now() - heardAt > LISTEN) hear();
  }, TICK);

  window.__watch = {
    anew: () => {
      look();
      hear();
      fresh();
    },
    // How long it has been watched, in milliseconds.
    lasted: () => now() - picture.since,
    seen: () => {
      look();
      hear();
      const at = now();
      return {
        at,
        since: picture.since,
        visible: document.visibilityState === "visible",
        frames: picture.frames,
        decoded: video && video.getVideoPlaybackQuality ? video.getVideoPlaybackQuality().totalVideoFrames : 0,
        longestFreeze: Math.max(picture.freeze, at - picture.frameAt),
        changes: picture.changes,
        firstChange: picture.firstChange,
        longestStill: Math.max(picture.still, at - picture.changeAt),
        looks: picture.samples,
        black: picture.black,
        luma: picture.luma,
        spread: picture.spread,
        width: video ? video.videoWidth : 0,
        height: video ? video.videoHeight : 0,
        listening: !!audio && ear.state === "running",
        heard: sound.heard * 1000,
        unseen: sound.unseen * 1000,
        energy: sound.energy,
        firstSound: sound.first === null ? null : sound.first * 1000,
        silent: sound.silent * 1000,
        longestGap: sound.gap * 1000,
        gapAt: sound.gapAt * 1000,
        onsets: sound.onsets.map((time) => time * 1000),
      };
    },
  };
})();
