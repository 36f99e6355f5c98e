// One search, live: loads what is known, then follows the events and looks up what they say has changed.

import { remember } from "./address.js";
import { stayAtAnchor } from "./anchor.js";
import { getBest, getHistory, getSearch, requestVerb } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { bindBest, wantedBest } from "./best_by.js";
import { showBest } from "./best_table.js";
import { byId, show } from "./dom.js";
import { follow } from "./live.js";
import { bindMaking } from "./making.js";
import { addPanel, panelsAreStale } from "./panels.js";
import { bindPicking } from "./picking.js";
import { ready } from "./ready.js";
import { addSearchPanels } from "./search_panels.js";
import { bindChoice, bindDrag, draw, drawMore, emptyView, pickOut, update } from "./search_view.js";
import { FINAL } from "./state.js";
import { showDocument, showStatus } from "./status.js";
import { showTrial } from "./trial_panel.js";
import { bindTable, markShown, showTrials } from "./trial_table.js";

const searchId = byId("search").dataset.searchId;
const MIN_REFRESH_MS = 1000;
const TICK_MS = 10_000;

const view = emptyView();
const acts = { onPick: pickTrial, onBrush };
let panels = null;
let table = null;
let refreshing = null;
let isStale = false;
let stopFollowing = null;
let wasLost = false;

const addressed = () => Number(/^#trial=(\d+)$/.exec(location.hash)?.[1] ?? 0);
const isOver = () => FINAL.includes(view.search.state);

/** Shows a trial below the table, with the way to its own page. */
function showChosen(number) {
  byId("trial-page").href = `/searches/${encodeURIComponent(searchId)}/trials/${number}`;
  show("trial-page", true);
  showTrial(searchId, number);
}

function pickTrial(number) {
  location.hash = `trial=${number}`;
}

async function redraw() {
  await draw(view, acts);
  await drawMore(view, acts);
}

function onBrush(ranges) {
  pickOut(view, ranges);
  redraw();
  table.now();
}

async function showWantedBest() {
  showBest(searchId, await wantedBest(searchId, view.best), view.shown, isOver());
}

/** All but the charts. */
async function lookUp() {
  const [search, history, best] = await Promise.all([getSearch(searchId), getHistory(searchId), getBest(searchId)]);
  update(view, search, history, best);
  showStatus(view, ask);
  await showWantedBest();
}

async function load() {
  const started = performance.now();
  await lookUp();
  await draw(view, acts);
  if (isOver()) endFollowing();
  // A long search takes longer to draw: leave the browser at least nine tenths of its time.
  return Math.max(MIN_REFRESH_MS, 9 * (performance.now() - started));
}

/** Looks everything up again; calls while that is under way are answered by one more round. */
function refresh() {
  isStale = true;
  panelsAreStale();
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
    view.search = await requestVerb(searchId, verb);
    showStatus(view, ask);
  } catch (error) {
    showBanner(explain(error));
  }
}

function onEvent(event) {
  if (event.kind !== "trial.measured") refresh(); // a curve is shown with its trial only
  if (event.trial_number === view.shown) showChosen(view.shown);
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
  if (isUp && wasLost) panelsAreStale(true);
  wasLost = !isUp;
}

function onHash() {
  if (addressed() === 0) return;
  view.shown = addressed();
  showChosen(view.shown);
  markShown(view.shown);
  if (view.history) redraw();
  refresh();
  byId("trial-section").scrollIntoView({ block: "start" });
  byId("trial-title").focus({ preventScroll: true });
}

function bind() {
  byId("go").addEventListener("submit", (event) => {
    event.preventDefault();
    pickTrial(byId("go-number").value);
  });
  window.addEventListener("hashchange", onHash);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => view.history && redraw());
  panels = addSearchPanels(searchId, view, { status: () => showStatus(view, ask), charts: () => drawMore(view, acts), pick: pickTrial });
  table = addPanel("trials", () => showTrials(searchId, view), (text) => text && showBanner(text));
  bindMaking();
  bindTable(() => table.now(), pickTrial);
  bindDrag(redraw);
  bindBest(() => showWantedBest().catch((error) => showBanner(explain(error))));
  stayAtAnchor();
  bindChoice("cost", "cost", "multiply_adds", () => {
    remember("cost-chart-zoom", null);
    panels.front.now();
  });
  bindPicking(() => view.brush, onBrush);
  bindChoice("top", "top", "20", () => panels.choices.now());
}

async function start() {
  view.shown = addressed();
  try {
    await lookUp();
  } catch (error) {
    showBanner(explain(error));
    setTimeout(start, MIN_REFRESH_MS * 3);
    return;
  }
  showBanner("");
  showDocument(view.search);
  bind();
  const first = view.shown || view.best.trials[0]?.number;
  if (first) showChosen(first);
  ready();
  try {
    await draw(view, acts); // plotly.js is large: who waits for it can use the rest
  } catch (error) {
    showBanner(explain(error));
  }
  if (isOver()) return;
  stopFollowing = follow(searchId, view.history.sequence, onEvent, onLink);
  setInterval(() => !document.hidden && !isOver() && refresh(), TICK_MS);
}

start();
