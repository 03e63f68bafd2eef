// Injected before a page's own scripts. Counts what the page opens, and notes when things happened; changes nothing.
(() => {
  "use strict";
  if (window.__e2e) return;

  // Comparable between the pages of one machine, in milliseconds.
  const now = () => performance.timeOrigin + performance.now();
  const native = {
    setTimeout: window.setTimeout.bind(window),
    clearTimeout: window.clearTimeout.bind(window),
    setInterval: window.setInterval.bind(window),
    clearInterval: window.clearInterval.bind(window),
    AudioContext: window.AudioContext,
  };
  const e2e = {
    native,
    now,
    peers: [],
    tracks: [],
    timers: new Map(),
    sounds: [],
    clicks: [],
    firstFrames: [],
    roster: [],
    samples: [],
    errors: [],
    marks: [],
  };
  const mark = (what) => e2e.marks.push({ what, at: now() });
  Object.defineProperty(window, "__e2e", { value: e2e });

  window.addEventListener("error", (event) => e2e.errors.push(String(event.message)));
  window.addEventListener("unhandledrejection", (event) => e2e.errors.push("unhandled: " + String(event.reason)));

  // Timers.
  const caller = () => new Error("set here");
  window.setTimeout = (task, delay, ...args) => {
    const id = native.setTimeout(() => {
      e2e.timers.delete(id);
      if (typeof task === "function") task(...args);
    }, delay);
    e2e.timers.set(id, { every: false, delay, from: caller() });
    return id;
  };
  window.setInterval = (task, delay, ...args) => {
    const id = native.setInterval(task, delay, ...args);
    e2e.timers.set(id, { every: true, delay, from: caller() });
    return id;
  };
  // One clears what the other set: they share their numbers.
  window.clearTimeout = window.clearInterval = (id) => {
    e2e.timers.delete(id);
    native.clearTimeout(id);
  };

  // Peer connections, devices, sounds.
  const collect = (name, into) => {
    const original = window[name];
    if (!original) return;
    window[name] = new Proxy(original, {
      construct(target, args, self) {
        const made = Reflect.construct(target, args, self);
        into(made);
        return made;
      },
    });
  };
  collect("RTCPeerConnection", (peer) => {
    e2e.peers.push(peer);
    mark("peer made");
    for (const state of ["signalingState", "iceGatheringState", "iceConnectionState", "connectionState"]) {
      peer.addEventListener(state.toLowerCase() + "change", () => mark(`${state} ${peer[state]}`));
    }
    peer.addEventListener("track", (event) => {
      mark(`track ${event.track.kind}`);
      event.track.addEventListener("unmute", () => mark(`unmuted ${event.track.kind}`));
      if (event.track.kind === "video") awaitFirstFrame(event.track);
    });
  });
  // What goes over the WebSocket, by its type: of a message of text, `"type":"..."`.
  const type = (data) => (typeof data === "string" && /"type":"(\w+)"/.exec(data) || [])[1];
  collect("WebSocket", (socket) => {
    const send = socket.send;
    socket.send = (data) => {
      mark(`sent ${type(data)}`);
      send.call(socket, data);
    };
    socket.addEventListener("message", (event) => mark(`got ${type(event.data)}`));
  });
  collect("AudioContext", (context) => e2e.sounds.push(context));
  const devices = window.MediaDevices && MediaDevices.prototype;
  for (const name of ["getUserMedia", "getDisplayMedia"]) {
    const original = devices && devices[name];
    if (!original) continue;
    devices[name] = async function (...args) {
      mark(`${name} asked`);
      const stream = await original.apply(this, args);
      mark(`${name} given`);
      e2e.tracks.push(...stream.getTracks());
      return stream;
    };
  }
  if (window.MediaStreamTrack) {
    const original = MediaStreamTrack.prototype.clone;
    MediaStreamTrack.prototype.clone = function () {
      const copy = original.call(this);
      e2e.tracks.push(copy);
      return copy;
    };
  }
  e2e.openPeers = () => e2e.peers.filter((peer) => peer.signalingState !== "closed");
  e2e.leftovers = () => {
    // What has ended is forgotten, or it would be kept from the garbage collector from here.
    e2e.tracks = e2e.tracks.filter((track) => track.readyState === "live");
    e2e.sounds = e2e.sounds.filter((context) => context.state !== "closed");
    return {
      peers: e2e.openPeers().length,
      tracks: e2e.tracks.length,
      cameras: e2e.tracks.filter((track) => track.kind === "video").length,
      timers: e2e.timers.size,
      timerSources: [...e2e.timers.values()].map(({ every, delay, from }) => `${every ? "every" : "in"} ${delay} ms ${from.stack}`),
      sounds: e2e.sounds.length,
    };
  };

  // When was clicked on what, and when the first frame of a remote video was there to be seen.
  document.addEventListener(
    "click",
    (event) => {
      const button = event.target.closest && event.target.closest("[data-testid]");
      const id = button ? button.dataset.testid : "";
      e2e.clicks.push({ id, at: performance.timeOrigin + event.timeStamp });
      mark(`clicked ${id}`);
    },
    true,
  );
  const showing = (track) =>
    [...document.querySelectorAll("video")].find((video) => video.srcObject && video.srcObject.getTracks().includes(track));
  const awaitFirstFrame = (track) => {
    if (track.readyState === "ended") return;
    const video = showing(track);
    if (!video) {
      native.setTimeout(() => awaitFirstFrame(track), 2);
      return;
    }
    const seen = e2e.firstFrames.length;
    const note = () => {
      if (e2e.firstFrames.length > seen) return;
      e2e.firstFrames.push({ at: now() });
      mark("first frame");
    };
    video.requestVideoFrameCallback(note);
  };
  // Presses a button as soon as it is there, once, as the quickest person would.
  e2e.pressOnceThere = (id) => {
    const press = () => {
      const button = document.querySelector(`[data-testid="${id}"]`);
      if (!button || button.disabled) return;
      observer.disconnect();
      button.click();
    };
    const observer = new MutationObserver(press);
    observer.observe(document, { childList: true, subtree: true, attributes: true });
    press();
  };

  // Presses a button at a given time.
  e2e.pressAt = (css, at) => native.setTimeout(() => document.querySelector(css).click(), at - now());

  // Every change of the roster, however short.
  let before = new Map();
  const noteRoster = () => {
    const users = document.querySelectorAll('[data-testid="user"]');
    const after = new Map([...users].map((user) => [user.dataset.name, user.dataset.state]));
    for (const [name, state] of after) {
      if (before.get(name) !== state) e2e.roster.push({ name, state, at: now() });
    }
    for (const name of before.keys()) {
      if (!after.has(name)) e2e.roster.push({ name, state: "gone", at: now() });
    }
    before = after;
  };
  new MutationObserver(noteRoster).observe(document, { childList: true, subtree: true, attributes: true });

  // What comes in.
  e2e.received = async () => {
    const sum = { at: now(), frames: 0, energy: 0, samples: 0, packets: 0 };
    for (const peer of e2e.openPeers()) {
      for (const report of (await peer.getStats()).values()) {
        if (report.type !== "inbound-rtp") continue;
        sum.packets += report.packetsReceived || 0;
        if (report.kind === "video") sum.frames += report.framesDecoded || 0;
        if (report.kind === "audio") {
          sum.energy += report.totalAudioEnergy || 0;
          sum.samples += report.totalSamplesReceived || 0;
        }
      }
    }
    return sum;
  };
  let sampling = null;
  e2e.startSampling = (every) => {
    e2e.stopSampling();
    e2e.samples = [];
    const sample = async () => e2e.samples.push(await e2e.received());
    sample();
    sampling = native.setInterval(sample, every);
  };
  e2e.stopSampling = () => {
    native.clearInterval(sampling);
    return e2e.samples;
  };
})();
