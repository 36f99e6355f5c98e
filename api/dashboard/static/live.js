// Following a search: server-sent events, with reconnection, paused while nobody looks.

import { eventsPath } from "./api.js";

const KINDS = [
  "search.state", "search.edited", "request.created", "request.closed", "earlier.told",
  "trial.created", "trial.timed", "trial.started", "trial.measured", "trial.finished", "job.finished",
];
const RETRY_MS = 3000;

/**
 * Calls `onChange(event)` for each event after `after`, `onLink(isUp)` when the connection comes or goes.
 * Returns a function that ends it.
 */
export function follow(searchId, after, onChange, onLink) {
  let source = null;
  let timer = null;
  let isEnded = false;

  function open() {
    if (isEnded || document.hidden) return;
    source = new EventSource(eventsPath(searchId, after));
    source.addEventListener("open", () => onLink(true));
    source.addEventListener("error", lost);
    for (const kind of KINDS) source.addEventListener(kind, received);
  }

  function received(message) {
    after = Number(message.lastEventId);
    onChange(JSON.parse(message.data));
  }

  function lost() {
    close();
    if (isEnded) return;
    onLink(false);
    timer = setTimeout(open, RETRY_MS);
  }

  function close() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  function look() {
    close();
    open();
  }

  document.addEventListener("visibilitychange", look);
  open();
  return () => {
    isEnded = true;
    close();
    document.removeEventListener("visibilitychange", look);
  };
}
