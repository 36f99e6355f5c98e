// The status of a search: its state, what may be asked of it, and its figures.

import { byId, element, fill, show } from "./dom.js";
import { failureWords } from "./failures_panel.js";
import { ap, apWithError, duration, NONE, whole } from "./format.js";
import { spendingFigures } from "./spending.js";
import { FINAL, stateLabel } from "./state.js";
import { workerWords } from "./workers_panel.js";

const VERBS = {
  pause: { from: ["pending", "running"], label: "Pause" },
  resume: { from: ["paused"], label: "Resume" },
  stop: {
    from: ["pending", "running", "paused"],
    label: "Stop",
    question: "Stop this search? Trials that run are finished, the best are measured on val, and it ends there.",
  },
  cancel: {
    from: ["pending", "running", "paused", "stopping"],
    label: "Cancel",
    question: "Cancel this search? Trials that run are thrown away. What was finished stays.",
  },
};

function confirmed(verb) {
  const dialog = byId("confirm");
  byId("confirm-text").textContent = verb.question;
  byId("confirm-yes").textContent = `${verb.label} the search`;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

function verbButtons(state, ask) {
  return Object.entries(VERBS)
    .filter(([, verb]) => verb.from.includes(state))
    .map(([name, verb]) => {
      const press = async () => (!verb.question || (await confirmed(verb))) && ask(name);
      return element("button", { type: "button", onclick: press }, verb.label);
    });
}

function phase(search) {
  if (search.state === "pending") return " – waiting for a controller";
  const open = search.open_jobs;
  if (open.proxy === 0 && open.reevaluate > 0) return ` – measuring the best on val, ${open.reevaluate} trainings to go`;
  return "";
}

function bestFigure(best) {
  if (!best) return ["best reward", NONE, ""];
  const link = (text) => element("a", { href: `#trial=${best.number}` }, text);
  if (best.val_average_precision === null) return ["best reward", link(ap(best.reward)), `trial ${best.number}, one training`];
  return ["AP on val of the best", link(apWithError(best.val_average_precision, best.val_standard_error, best.val_count)), `trial ${best.number}`];
}

function figures({ search, workers, failures }) {
  const { counts, progress, best } = search;
  const left = FINAL.includes(search.state) ? null : progress.seconds_left;
  return [
    ["trained", `${whole(progress.trained)} / ${whole(progress.trials)}`, ""],
    ["running", whole(counts.running), counts.queued ? `${whole(counts.queued)} queued` : ""],
    ...(workers && workers.length > 0 && !FINAL.includes(search.state) ? [["workers", whole(workers.length), workerWords(workers)]] : []),
    ...(counts.stopped_early ? [["stopped early", whole(counts.stopped_early), "of those trained"]] : []),
    ["failed", whole(counts.failed), failures ? failureWords(failures) : ""],
    ["infeasible", whole(counts.infeasible), "off budget, never trained"],
    bestFigure(best),
    ["elapsed", duration(progress.elapsed_seconds), ""],
    ...(left === null ? [] : [["left, about", duration(left), "at the pace so far"]]),
    ...spendingFigures(search),
  ];
}

let shownState = null;

/** Shows a view's search, with its workers and failures where they are known; `ask(verb)` is called for a button pressed (and confirmed). */
export function showStatus(view, ask) {
  const { search } = view;
  fill(byId("state"), stateLabel(search.state), phase(search));
  if (search.state !== shownState) byId("verbs")?.replaceChildren(...verbButtons(search.state, ask)); // a page that may only be read has none
  shownState = search.state;
  byId("reason").textContent = search.reason;
  byId("reason").className = `reason ${search.state}`;
  show("reason", search.reason !== "");
  byId("progress").max = search.progress.trials;
  byId("progress").value = Math.min(search.progress.trained, search.progress.trials);
  fill(
    byId("figures"),
    figures(view).map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value), element("dd", { class: "quiet" }, note))),
  );
}

export function showDocument(search) {
  byId("document").textContent = JSON.stringify(search.config, null, 2);
}
