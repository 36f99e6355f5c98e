// The table of all trials: a page at a time, filtered by state and by what is picked out in the charts.

import { remember, said } from "./address.js";
import { byId, element, fill, show } from "./dom.js";
import { amount, ap, apWithError, duration, latency, NONE, secondsBetween, whole } from "./format.js";
import { showRows } from "./rows.js";
import { stateLabel } from "./state.js";
import { thumbnail } from "./thumbnail.js";
import { MOST_BEST, trialPage } from "./trial_page_source.js";

const wanted = () => ({ state: said("trials") ?? "", isByReward: said("sort") === "reward", after: Number(said("after") ?? 0) || 0 });

function row(searchId, trial) {
  const number = (content) => element("td", { class: "number" }, content);
  return element(
    "tr",
    { "data-key": String(trial.number), tabindex: "-1" },
    number(element("a", { href: `/searches/${encodeURIComponent(searchId)}/trials/${trial.number}` }, trial.name || String(trial.number))),
    element("td", {}, thumbnail(searchId, trial.number, trial.fingerprint)),
    element("td", {}, stateLabel(trial.state)),
    element("td", {}, trial.arm.replaceAll("_", " ")),
    number(ap(trial.reward)),
    number(apWithError(trial.val_average_precision, trial.val_standard_error, trial.val_count)),
    number(amount(trial.target_cost.backbone_multiply_adds)),
    number(amount(trial.target_cost.backbone_parameters)),
    element("td", { class: "number timed" }, latency(trial.latency)),
    number(duration(secondsBetween(trial.started_at, trial.finished_at))),
    element("td", { class: "note" }, trial.failure || NONE),
  );
}

/** Marks the trial that is shown above. One row can be reached with Tab, arrows go on from there. */
export function markShown(shown) {
  const body = byId("all-trials").tBodies[0];
  const chosen = [...body.rows].find((each) => Number(each.dataset.key) === shown) ?? body.rows[0];
  for (const each of body.rows) {
    each.tabIndex = each === chosen ? 0 : -1;
    if (Number(each.dataset.key) === shown) each.setAttribute("aria-selected", "true");
    else each.removeAttribute("aria-selected");
  }
}

function onKey(event, body, onPick) {
  const current = document.activeElement.closest("tr");
  if (current?.parentElement !== body) return;
  const step = { ArrowDown: current.nextElementSibling, ArrowUp: current.previousElementSibling, Home: body.rows[0], End: body.rows[body.rows.length - 1] };
  if (event.key === "Enter" && event.target === current) onPick(Number(current.dataset.key));
  else if (event.key in step) step[event.key]?.focus();
  else return;
  event.preventDefault();
}

function words({ trials, total }, view) {
  if (view.chosen !== null) return `${whole(total)} picked out in the charts`;
  if (total !== null) return `the best ${whole(total)}, one for each network${total < MOST_BEST ? "" : "; further ones are in the files and in the order by number"}`;
  return trials.length === 0 ? "" : `trials ${whole(trials[0].number)} to ${whole(trials.at(-1).number)}`;
}

function showPage(searchId, page, view, asked) {
  const body = byId("all-trials").tBodies[0];
  showRows(body, page.trials.map((trial) => row(searchId, trial)));
  markShown(view.shown);
  fill(byId("page-words"), words(page, view));
  byId("first").disabled = asked.after === 0;
  byId("next").disabled = page.next === null;
  byId("next").value = page.next ?? "";
  const isEmpty = page.trials.length === 0;
  show("no-trials", isEmpty);
  show("all-trials", !isEmpty);
  byId("no-trials").textContent = asked.state || view.chosen ? "No trial is like that." : "Trials appear here as they are proposed.";
}

/** Ties the controls to the address; `again()` is called when another page is wanted, `onPick(number)` when a trial is. */
export function bindTable(again, onPick) {
  const go = (name, value) => {
    remember(name, value);
    if (name !== "after") remember("after", null);
    again();
  };
  byId("trial-state").addEventListener("change", ({ target }) => go("trials", target.value || null));
  byId("trial-sort").addEventListener("change", ({ target }) => go("sort", target.value || null));
  byId("first").addEventListener("click", () => go("after", null));
  byId("next").addEventListener("click", ({ target }) => go("after", target.value));
  byId("all-trials").addEventListener("keydown", (event) => onKey(event, byId("all-trials").tBodies[0], onPick));
  byId("all-trials").tBodies[0].addEventListener("click", ({ target }) => target.closest("a") ?? onPick(Number(target.closest("tr").dataset.key)));
}

/** Looks a page up and shows it. */
export async function showTrials(searchId, view) {
  const asked = wanted();
  byId("trial-state").value = asked.state;
  byId("trial-sort").value = asked.isByReward ? "reward" : "";
  showPage(searchId, await trialPage(searchId, view, asked), view, asked);
}
