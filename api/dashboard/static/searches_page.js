// The list of searches, looked up again every few seconds while somebody looks.

import { listSearches } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { byId, element, fill, show } from "./dom.js";
import { ap, duration, NONE, time, whole } from "./format.js";
import { stateLabel } from "./state.js";

const REFRESH_MS = 3000;
let older = [];
let nextToken = null;

function row(search) {
  const started = search.started_at && time(search.started_at);
  const { trained, trials, elapsed_seconds: elapsed } = search.progress;
  return element(
    "tr",
    {},
    element("td", {}, stateLabel(search.state)),
    element("td", {}, element("a", { href: `/searches/${search.id}` }, search.name), " ", element("span", { class: "quiet" }, search.id)),
    element("td", {}, search.space),
    element("td", {}, search.algorithm),
    element(
      "td",
      { class: "number" },
      `${whole(trained)} / ${whole(trials)} `,
      element("progress", { max: trials, value: Math.min(trained, trials), "aria-hidden": "true" }),
    ),
    element("td", { class: "number" }, ap(search.best?.reward)),
    element("td", { class: "number" }, started ? element("time", { datetime: search.started_at, title: started.utc }, started.text) : NONE),
    element("td", { class: "number" }, duration(elapsed)),
  );
}

function render(searches) {
  fill(document.querySelector("#searches tbody"), searches.map(row));
  show("listed", searches.length > 0);
  show("empty", searches.length === 0);
  show("more", nextToken !== null);
}

async function refresh() {
  if (!document.hidden) {
    try {
      const page = await listSearches();
      if (older.length === 0) nextToken = page.next_page_token;
      const known = new Set(page.searches.map((search) => search.id));
      render([...page.searches, ...older.filter((search) => !known.has(search.id))]);
      showBanner("");
    } catch (error) {
      showBanner(explain(error));
    }
  }
  setTimeout(refresh, REFRESH_MS);
}

byId("more").addEventListener("click", async () => {
  try {
    const page = await listSearches(nextToken);
    older = [...older, ...page.searches];
    nextToken = page.next_page_token;
    document.querySelector("#searches tbody").append(...page.searches.map(row));
    show("more", nextToken !== null);
  } catch (error) {
    showBanner(explain(error));
  }
});

refresh();
