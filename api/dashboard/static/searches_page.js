// The list of searches, looked up again every few seconds while somebody looks.

import { getCourses, listSearches } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { byId, element, show } from "./dom.js";
import { ap, apWithError, duration, NONE, time, whole } from "./format.js";
import { ready } from "./ready.js";
import { showRows } from "./rows.js";
import { sparkline } from "./sparkline.js";
import { stateLabel } from "./state.js";

const REFRESH_MS = 3000;
const MOST_COMPARED = 12;
const state = new URLSearchParams(location.search).get("state") ?? "";
const courses = new Map();
const chosen = new Set();
let older = [];
let nextToken = null;
let shown = [];

function bestCell(best) {
  if (!best) return NONE;
  const val = best.val_average_precision;
  const onVal = val === null ? null : element("span", { class: "quiet second" }, `val ${apWithError(val, best.val_standard_error, best.val_count)}`);
  return [element("a", { href: `/searches/${best.search}/trials/${best.number}` }, ap(best.reward)), onVal];
}

function row(search) {
  const started = search.started_at && time(search.started_at);
  const { trained, trials, elapsed_seconds: elapsed } = search.progress;
  const number = (...content) => element("td", { class: "number" }, content);
  const best = search.best && { ...search.best, search: search.id };
  const box = element("input", { type: "checkbox", value: search.id, "aria-label": `Compare ${search.name}` });
  box.checked = chosen.has(search.id);
  return element(
    "tr",
    { "data-key": search.id },
    element("td", {}, box),
    element("td", {}, stateLabel(search.state)),
    element("td", {}, element("a", { href: `/searches/${search.id}` }, search.name), element("span", { class: "quiet second" }, search.id)),
    element("td", {}, search.space, element("span", { class: "quiet second" }, search.algorithm)),
    number(`${whole(trained)} / ${whole(trials)} `, element("progress", { max: trials, value: Math.min(trained, trials), "aria-hidden": "true" })),
    element("td", {}, sparkline(courses.get(search.id)?.course, trials) ?? element("span", { class: "quiet" }, NONE)),
    number(bestCell(best)),
    number(started ? element("time", { datetime: search.started_at, title: started.utc }, started.text) : NONE),
    number(duration(elapsed)),
    element("td", {}, element("a", { href: `/searches/new?from=${search.id}`, "aria-label": `A new search like ${search.name}` }, "clone")),
  );
}

function render() {
  showRows(document.querySelector("#searches tbody"), shown.map(row));
  const isFiltered = state !== "";
  show("listed", shown.length > 0);
  show("empty", shown.length === 0 && !isFiltered);
  show("filters", shown.length > 0 || isFiltered);
  show("none", shown.length === 0 && isFiltered);
  show("more", nextToken !== null);
  showChosen();
}

function showChosen() {
  const ids = [...chosen];
  const enough = ids.length >= 2;
  const link = byId("compare");
  if (enough) link.setAttribute("href", `/compare?searches=${ids.join(",")}`);
  else link.removeAttribute("href");
  link.textContent = enough ? `Compare these ${ids.length}` : "Check two or more to compare them";
}

/** Looks up the courses of searches that trained something since; those on other pages keep theirs. */
async function lookUpCourses() {
  const isStale = (search) => search.progress.trained > 0 && courses.get(search.id)?.trained !== search.progress.trained;
  const stale = shown.filter(isStale).slice(0, 50);
  if (stale.length === 0) return;
  const found = await getCourses(stale.map((search) => search.id));
  found.courses.forEach((course, index) => courses.set(course.search, { course, trained: stale[index].progress.trained }));
  render();
}

async function load() {
  const page = await listSearches(null, state);
  if (older.length === 0) nextToken = page.next_page_token;
  const known = new Set(page.searches.map((search) => search.id));
  shown = [...page.searches, ...older.filter((search) => !known.has(search.id))];
  render();
  await lookUpCourses();
}

async function refresh() {
  if (!document.hidden) {
    try {
      await load();
      showBanner("");
      ready();
    } catch (error) {
      showBanner(explain(error));
    }
  }
  setTimeout(refresh, REFRESH_MS);
}

async function showOlder() {
  try {
    const page = await listSearches(nextToken, state);
    older = [...older, ...page.searches];
    nextToken = page.next_page_token;
    shown = [...shown, ...page.searches];
    render();
    await lookUpCourses();
  } catch (error) {
    showBanner(explain(error));
  }
}

byId("more").addEventListener("click", showOlder);
byId("searches").addEventListener("change", ({ target }) => {
  if (target.checked && chosen.size < MOST_COMPARED) chosen.add(target.value);
  else chosen.delete(target.value);
  target.checked = chosen.has(target.value);
  showChosen();
});
for (const link of document.querySelectorAll("#filters a")) {
  if (new URL(link.href).searchParams.get("state") === (state || null)) link.setAttribute("aria-current", "page");
}
byId("none-state").textContent = state;
refresh();
