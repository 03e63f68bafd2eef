// The client's timer, and its checks whether the server answers. In a worker, because browsers run the timers of hidden
// pages once a minute.
let timer;
let check;

onmessage = ({ data }) => {
  if (typeof data === "number") {
    clearTimeout(timer);
    timer = setTimeout(() => postMessage("tick"), data);
    return;
  }
  check?.abort();
  check = data ? new AbortController() : undefined;
  const signal = check?.signal;
  const report = (result) => signal.aborted || postMessage(result);
  if (data) {
    fetch(data, { cache: "no-store", signal }).then(
      // A proxy answers 502 to 504 for a server that is away.
      ({ status }) => report(status < 500 ? "answered" : "unanswered"),
      () => report("unanswered"),
    );
  }
};
