// The parts of a search's page that are looked up when they are seen.

import { remember, said } from "./address.js";
import { getChoices, getController, getFailures, getPareto, getWorkers } from "./api.js";
import { showBanner } from "./banner.js";
import { choiceLines } from "./choice_lines.js";
import { byImportance, choiceMap, decisionTable, motifTable, optionTable } from "./choices_panel.js";
import { controllerParts } from "./controller_panel.js";
import { costColumn } from "./cost_chart.js";
import { byId, element, fill } from "./dom.js";
import { attemptWords, reasonTable } from "./failures_panel.js";
import { hypervolumeChart } from "./hypervolume_chart.js";
import { addPanel, shared } from "./panels.js";
import { timeline, timelineKeys, workerTable } from "./workers_panel.js";

const TOPS = [10, 20, 50];
const NUM_AXES = 6;

/** Fills the body of a section; `empty` says what will be there where there is nothing yet. */
function put(id, parts, empty) {
  const found = [parts].flat(2).filter((part) => part !== null && part !== undefined);
  const focused = byId(id).contains(document.activeElement) ? document.activeElement.id : "";
  byId(id).classList.remove("waiting");
  fill(byId(id), found.length > 0 ? found : element("p", { class: "empty" }, empty));
  if (focused !== "") byId(focused)?.focus({ preventScroll: true });
}

const complain = (id) => (text) => {
  if (text !== "") put(id, element("p", { class: "empty" }, text), "");
};

const top = () => (TOPS.includes(Number(said("top"))) ? Number(said("top")) : 20);
/** The decision in the address, else the one that matters most. */
const chosenDecision = (decisions) => decisions.find((each) => each.label === said("decision")) ?? byImportance(decisions)[0] ?? null;

function showChoices(choices, again, onPick) {
  const chosen = chosenDecision(choices.decisions);
  const choose = (decision) => {
    remember("decision", decision.label);
    again();
  };
  const isEmpty = choices.trained === 0 || chosen === null;
  const matter = byImportance(choices.decisions).slice(0, NUM_AXES).map((decision) => ({ decision, place: choices.decisions.indexOf(decision) }));
  put("choices", isEmpty ? null : [
    decisionTable(choices.decisions, choices.top, chosen, choose),
    element("h3", {}, "The best, decision by decision"),
    element("p", { class: "hint" }, "Each line is one of the best, the best fifth in orange. Where the lines run together, the best agree. Click a line to see its architecture."),
    element("div", { class: "wide", tabindex: "0", role: "region", "aria-label": "The best, decision by decision" }, choiceLines(matter, choices.best, onPick)),
    element("h3", {}, `Options of ${chosen.label}`),
    optionTable(chosen, choices.top),
    element("h3", {}, "Connections"),
    choices.motifs.length > 0 ? motifTable(choices.motifs, choices.top) : element("p", { class: "quiet" }, "None is known yet to be more common among the best."),
  ], "What the best architectures share appears here once some were trained.");
}

function showMap(choices, again) {
  const chosen = chosenDecision(choices.decisions);
  const map = chosen && choiceMap(chosen, choices.buckets);
  const options = choices.decisions.map((each) => element("option", { selected: each === chosen }, each.label));
  const select = element("select", { id: "decision", onchange: ({ target }) => { remember("decision", target.value); again(); } }, options);
  put("choice-map", map ? [element("p", { class: "go" }, element("label", { for: "decision" }, "Decision"), select), map] : null, "Choices appear here once candidates were proposed.");
}

const showFailures = (found, path) => put("failures", [reasonTable(found, path), attemptWords(found)], "Every trial so far gave a reward.");

function showWorkers(id, { workers, spans }, path) {
  const picture = timeline({ workers, spans }, new Date().toISOString(), path);
  put(id, workers.length > 0 ? [picture, picture && timelineKeys(spans), workerTable(workers, path)] : null, "Workers appear here once the first attempt was started.");
}

/** Adds all of them for a search; `view` is the page's, `draw.status()` and `draw.charts()` draw it, `draw.pick(number)` shows a trial. */
export function addSearchPanels(searchId, view, draw) {
  const path = `/searches/${encodeURIComponent(searchId)}`;
  const [choicesOf, workersOf, failuresOf] = [getChoices, getWorkers, getFailures].map(shared);
  const add = (section, id, load) => addPanel(section, load, complain(id));
  addPanel("status", async () => {
    const [{ workers }, failures] = await Promise.all([workersOf(searchId), failuresOf(searchId)]);
    Object.assign(view, { workers, failures });
    draw.status();
  }, (text) => text && showBanner(text));
  const front = add("costs", "hypervolume", async () => {
    view.pareto = await getPareto(searchId, costColumn());
    put("hypervolume", hypervolumeChart(view.pareto, view.search.progress.trained), "A curve appears here once the first trial was trained.");
    draw.charts();
  });
  add("failures-section", "failures", async () => showFailures(await failuresOf(searchId), path));
  add("controller-section", "controller", async () => {
    const found = await getController(searchId);
    put("controller", found.buckets.length > 0 ? controllerParts(found) : null, "What the controller believes appears here once it has proposed something.");
  });
  const again = () => [choices, map].forEach((panel) => panel.now());
  const choices = add("choices-section", "choices", async () => showChoices(await choicesOf(searchId, top()), again, draw.pick));
  const map = add("choice-map", "choice-map", async () => showMap(await choicesOf(searchId, top()), again));
  add("workers-section", "workers", async () => showWorkers("workers", await workersOf(searchId), path));
  return { front, choices };
}
