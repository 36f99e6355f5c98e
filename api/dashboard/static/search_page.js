// One search, live: loads what is known, then follows the events and looks up what they say has changed.

import { getBest, getHistory, getSearch, requestVerb } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { showBest } from "./best_table.js";
import { drawChart } from "./chart.js";
import { byId, show } from "./dom.js";
import { follow } from "./live.js";
import { FINAL } from "./state.js";
import { showDocument, showStatus } from "./status.js";
import { showTrial } from "./trial_panel.js";

const searchId = byId("search").dataset.searchId;
const MIN_REFRESH_MS = 1000;
const TICK_MS = 10_000;

let search = null;
let history = null;
let best = null;
let refreshing = null;
let isStale = false;
let stopFollowing = null;

const selected = () => Number(/^#trial=(\d+)$/.exec(location.hash)?.[1] ?? 0);

/** Shows a trial below the table, with the way to its own page. */
function showChosen(number) {
  byId("trial-page").href = `/searches/${encodeURIComponent(searchId)}/trials/${number}`;
  show("trial-page", true);
  showTrial(searchId, number);
}

function pickTrial(number) {
  location.hash = `trial=${number}`;
}

async function drawHistory() {
  const hasTrials = history.num_trials > 0;
  show("chart", hasTrials);
  show("chart-empty", !hasTrials);
  byId("smoothed-over").textContent = history.smoothed_over;
  const metric = { ap: "AP", ap50: "AP50" }[search.config.reward.metric] ?? "reward";
  if (hasTrials) await drawChart(byId("chart"), history, metric, selected(), pickTrial);
}

async function load() {
  const started = performance.now();
  const [nextSearch, nextHistory, nextBest] = await Promise.all([getSearch(searchId), getHistory(searchId), getBest(searchId)]);
  [search, history, best] = [nextSearch, nextHistory, nextBest];
  showStatus(search, ask);
  showBest(searchId, best, selected(), FINAL.includes(search.state));
  await drawHistory();
  if (FINAL.includes(search.state)) endFollowing();
  // A long search takes longer to draw: leave the browser at least nine tenths of its time.
  return Math.max(MIN_REFRESH_MS, 9 * (performance.now() - started));
}

/** Looks everything up again; calls while that is under way are answered by one more round. */
function refresh() {
  isStale = true;
  refreshing ??= (async () => {
    while (isStale) {
      isStale = false;
      try {
        const pause = await load();
        showBanner("");
        await new Promise((done) => setTimeout(done, pause));
      } catch (error) {
        showBanner(explain(error));
      }
    }
    refreshing = null;
  })();
}

async function ask(verb) {
  try {
    search = await requestVerb(searchId, verb);
    showStatus(search, ask);
  } catch (error) {
    showBanner(explain(error));
  }
}

function onEvent(event) {
  if (event.kind !== "trial.measured") refresh(); // a curve is shown with its trial only
  if (event.trial_number === selected()) showChosen(selected());
  if (event.kind === "search.state" && FINAL.includes(event.payload.state)) endFollowing();
}

function endFollowing() {
  stopFollowing?.();
  byId("connection").textContent = "";
}

function onLink(isUp) {
  byId("connection").textContent = isUp ? "live" : "not connected";
  if (!isUp) showBanner(explain({ status: 0 }));
  refresh();
}

function onHash() {
  if (selected() === 0) return;
  showChosen(selected());
  if (history) drawHistory();
  refresh();
  byId("trial-section").scrollIntoView({ block: "start" });
  byId("trial-title").focus({ preventScroll: true });
}

byId("go").addEventListener("submit", (event) => {
  event.preventDefault();
  pickTrial(byId("go-number").value);
});
window.addEventListener("hashchange", onHash);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => history && drawHistory());

async function start() {
  try {
    await load();
  } catch (error) {
    showBanner(explain(error));
    setTimeout(start, MIN_REFRESH_MS * 3);
    return;
  }
  showBanner("");
  showDocument(search);
  const shown = selected() || best.trials[0]?.number;
  if (shown) showChosen(shown);
  if (FINAL.includes(search.state)) return;
  stopFollowing = follow(searchId, history.sequence, onEvent, onLink);
  setInterval(() => !document.hidden && !FINAL.includes(search.state) && refresh(), TICK_MS);
}

start();
