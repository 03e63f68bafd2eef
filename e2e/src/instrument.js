// Injected before the page's own scripts. Wraps the browser's APIs to record what the page opens and when; changes no behaviour.
(() => {
  "use strict";
  if (window.__e2e) return;

  // Milliseconds, comparable between the pages of one machine.
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
    audioContexts: [],
    clicks: [],
    firstFrames: [],
    rosterChanges: [],
    recordedTotals: [],
    errors: [],
    marks: [],
  };
  const mark = (what) => e2e.marks.push({ what, at: now() });
  Object.defineProperty(window, "__e2e", { value: e2e });

  window.addEventListener("error", (event) => e2e.errors.push(String(event.message)));
  window.addEventListener("unhandledrejection", (event) => e2e.errors.push("unhandled: " + String(event.reason)));

  // Timers.
  const callSite = () => new Error("timer set here");
  window.setTimeout = (task, delay, ...args) => {
    const id = native.setTimeout(() => {
      e2e.timers.delete(id);
      if (typeof task === "function") task(...args);
    }, delay);
    e2e.timers.set(id, { every: false, delay, from: callSite() });
    return id;
  };
  window.setInterval = (task, delay, ...args) => {
    const id = native.setInterval(task, delay, ...args);
    e2e.timers.set(id, { every: true, delay, from: callSite() });
    return id;
  };
  // clearTimeout and clearInterval share one ID space (HTML standard): either clears both.
  window.clearTimeout = window.clearInterval = (id) => {
    e2e.timers.delete(id);
    native.clearTimeout(id);
  };

  // Peer connections, devices, audio contexts.
  const wrapConstructor = (name, onCreate) => {
    const original = window[name];
    if (!original) return;
    window[name] = new Proxy(original, {
      construct(target, args, self) {
        const instance = Reflect.construct(target, args, self);
        onCreate(instance);
        return instance;
      },
    });
  };
  wrapConstructor("RTCPeerConnection", (peer) => {
    e2e.peers.push(peer);
    mark("peer connection created");
    for (const state of ["signalingState", "iceGatheringState", "iceConnectionState", "connectionState"]) {
      peer.addEventListener(state.toLowerCase() + "change", () => mark(`${state} ${peer[state]}`));
    }
    peer.addEventListener("track", (event) => {
      mark(`track ${event.track.kind}`);
      event.track.addEventListener("unmute", () => mark(`unmuted ${event.track.kind}`));
      if (event.track.kind === "video") awaitFirstFrame(event.track);
    });
  });
  // Type of a JSON text message on the WebSocket.
  const type = (data) => (typeof data === "string" && /"type":"(\w+)"/.exec(data) || [])[1];
  wrapConstructor("WebSocket", (socket) => {
    const send = socket.send;
    socket.send = (data) => {
      mark(`sent ${type(data)}`);
      send.call(socket, data);
    };
    socket.addEventListener("message", (event) => mark(`received ${type(event.data)}`));
  });
  wrapConstructor("AudioContext", (context) => e2e.audioContexts.push(context));
  const devices = window.MediaDevices && MediaDevices.prototype;
  for (const name of ["getUserMedia", "getDisplayMedia"]) {
    const original = devices && devices[name];
    if (!original) continue;
    devices[name] = async function (...args) {
      mark(`${name} called`);
      const stream = await original.apply(this, args);
      mark(`${name} resolved`);
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
  e2e.openResources = () => {
    // Drop ended objects: a reference from here would keep them from the garbage collector.
    e2e.tracks = e2e.tracks.filter((track) => track.readyState === "live");
    e2e.audioContexts = e2e.audioContexts.filter((context) => context.state !== "closed");
    return {
      peers: e2e.openPeers().length,
      tracks: e2e.tracks.length,
      videoTracks: e2e.tracks.filter((track) => track.kind === "video").length,
      timers: e2e.timers.size,
      timerSources: [...e2e.timers.values()].map(({ every, delay, from }) => `${every ? "every" : "in"} ${delay} ms ${from.stack}`),
      audioContexts: e2e.audioContexts.length,
    };
  };

  // Clicks, and the first presented frame of each remote video.
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
  const elementOf = (track) =>
    [...document.querySelectorAll("video")].find((video) => video.srcObject && video.srcObject.getTracks().includes(track));
  const awaitFirstFrame = (track) => {
    if (track.readyState === "ended") return;
    const video = elementOf(track);
    if (!video) {
      native.setTimeout(() => awaitFirstFrame(track), 2);
      return;
    }
    const recorded = e2e.firstFrames.length;
    const onFrame = () => {
      if (e2e.firstFrames.length > recorded) return;
      e2e.firstFrames.push({ at: now() });
      mark("first frame");
    };
    video.requestVideoFrameCallback(onFrame);
  };
  // Clicks a button once, as soon as it appears: no driver latency and no person in the measured time.
  e2e.pressWhenPresent = (id) => {
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

  // Clicks a button at a given time.
  e2e.pressAt = (css, at) => native.setTimeout(() => document.querySelector(css).click(), at - now());

  // Roster changes, short-lived ones included.
  let before = new Map();
  const recordRoster = () => {
    const users = document.querySelectorAll('[data-testid="user"]');
    const after = new Map([...users].map((user) => [user.dataset.name, user.dataset.state]));
    for (const [name, state] of after) {
      if (before.get(name) !== state) e2e.rosterChanges.push({ name, state, at: now() });
    }
    for (const name of before.keys()) {
      if (!after.has(name)) e2e.rosterChanges.push({ name, state: "gone", at: now() });
    }
    before = after;
  };
  new MutationObserver(recordRoster).observe(document, { childList: true, subtree: true, attributes: true });

  // Received media.
  e2e.receivedTotals = async () => {
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
  let recordingTimer = null;
  e2e.startRecordingTotals = (interval) => {
    e2e.stopRecordingTotals();
    e2e.recordedTotals = [];
    const record = async () => e2e.recordedTotals.push(await e2e.receivedTotals());
    record();
    recordingTimer = native.setInterval(record, interval);
  };
  e2e.stopRecordingTotals = () => {
    native.clearInterval(recordingTimer);
    return e2e.recordedTotals;
  };
})();
