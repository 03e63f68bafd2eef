// See ui/src/driver/timer_worker.rs.
let timer, check;
onmessage = ({ data }) => {
  if (typeof data === "number") {
    clearTimeout(timer);
    timer = setTimeout(() => postMessage("tick"), data);
    return;
  }
  check?.abort();
  check = new AbortController();
  const { signal } = check;
  const report = (result) => signal.aborted || postMessage(result);
  if (data) {
    fetch(data, { cache: "no-store", signal }).then(
      ({ status }) => report(status < 500 ? "answered" : "unanswered"),
      () => report("unanswered"),
    );
  }
};
