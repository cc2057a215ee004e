/** When work is done, so that moving a slider neither floods the service nor shows what is old. */

/** Return a promise that is kept after so many milliseconds. */
export function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Return a function that does `work` one at a time: what is asked for meanwhile is done once, afterwards, with the newest state. */
export function oneAtATime(work, gap = 30) {
  let busy = false;
  let wanted = false;
  return async function ask() {
    wanted = true;
    if (busy) return;
    busy = true;
    try {
      while (wanted) {
        wanted = false;
        await work();
        await pause(gap);
      }
    } finally {
      busy = false;
    }
  };
}

/** Return a function that does `work(signal)` once nothing was asked for a while; what is at work is aborted by the next. */
export function onceSettled(work, wait) {
  let timer = 0;
  let controller = new AbortController();
  return function ask() {
    clearTimeout(timer);
    controller.abort();
    controller = new AbortController();
    const { signal } = controller;
    timer = setTimeout(() => work(signal).catch((error) => rethrow(error)), wait);
  };
}

function rethrow(error) {
  if (error.name !== "AbortError") throw error;
}
