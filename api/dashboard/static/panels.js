// Parts of a page that are looked up when they come into view, and again after something happened: not while nobody
// sees them, and not more often than every ten seconds.

import { byId } from "./dom.js";

const MIN_MS = 10_000;
const SHARED_MS = 5000;
const NEAR = "300px";
const panels = [];

function look(panel) {
  clearTimeout(panel.timer);
  if (!panel.isStale || !panel.isNear || panel.isRunning || document.hidden) return;
  panel.timer = setTimeout(() => run(panel), Math.max(0, panel.last + MIN_MS - performance.now()));
}

async function run(panel) {
  panel.isRunning = true;
  panel.isStale = false;
  panel.last = performance.now();
  try {
    await panel.load();
    panel.complain("");
  } catch (error) {
    // While the connection is lost, the page says so in one place, and a panel keeps what it has.
    if (error.status === 0) panel.isStale = true;
    else panel.complain(error.message);
  }
  panel.isRunning = false;
  look(panel);
}

/** The section with this id is filled by `load()`, a promise; what goes wrong is said where `complain(text)` says it. */
export function addPanel(id, load, complain) {
  const panel = { load, complain, isStale: true, isNear: false, isRunning: false, timer: null, last: -MIN_MS };
  panels.push(panel);
  const watcher = new IntersectionObserver((entries) => {
    panel.isNear = entries.at(-1).isIntersecting;
    look(panel);
  }, { rootMargin: NEAR });
  watcher.observe(byId(id));
  return { now: () => again(panel) };
}

/** Because of something that the user did: at once. */
function again(panel) {
  panel.isStale = true;
  panel.last = -MIN_MS;
  look(panel);
}

/** Something happened: all panels are looked up again in their time, or at once. */
export function panelsAreStale(isAtOnce = false) {
  for (const panel of panels) {
    panel.isStale = true;
    if (isAtOnce) panel.last = -MIN_MS;
    look(panel);
  }
}

/** An answer that several panels want: asked for again, for other arguments, or once it is five seconds old. */
export function shared(ask) {
  let [text, at, answer] = ["", -Infinity, null];
  return (...wanted) => {
    const now = performance.now();
    if (JSON.stringify(wanted) !== text || now - at > SHARED_MS) [text, at, answer] = [JSON.stringify(wanted), now, ask(...wanted)];
    return answer;
  };
}

document.addEventListener("visibilitychange", () => panels.forEach(look));
