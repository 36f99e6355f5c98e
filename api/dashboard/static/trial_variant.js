// A trial's architecture with some decisions taken otherwise: edited, counted, and asked for.

import { enqueueTrial, getVariant, getVariantDrawing } from "./api.js";
import { byId, element, fill, show } from "./dom.js";
import { drawing } from "./drawing.js";
import { amount, percentChange } from "./format.js";
import { followRequest } from "./trial_verbs.js";
import { choicesOf, choose, genotypeOf, groupsOf, labelAt, relabel } from "./variant_draft.js";

const NAMES = {
  intermediate_level: "block of the pool",
  output_level: "output for",
  level_adjustment: "level changed by",
  block_type: "type",
  parent: "reads",
  resource_multiplier: "share of resources",
};

/** The form over one trial. `groups` are edited; `fields` show them: `{group, index, select}`. */
const form = { trial: null, decisions: [], groups: [], fields: [], variant: null, round: 0 };

function showFields() {
  for (const { group, index, select } of form.fields) {
    fill(select, choicesOf(group).map((label) => element("option", {}, label)));
    select.value = labelAt(group, index);
  }
}

function field(group, index, id) {
  const onchange = ({ target }) => {
    choose(group, index, target.value);
    showFields();
    count();
  };
  const select = element("select", { id, onchange });
  form.fields.push({ group, index, select });
  const name = group.kind === "parent" && index > 0 ? "and" : NAMES[group.kind];
  return element("p", {}, element("label", { for: id }, name), select);
}

/** A fieldset for each block, with what is decided about it. */
function fieldsets() {
  form.fields = [];
  const found = new Map();
  for (const group of form.groups) {
    group.blocks.forEach((block, index) => {
      found.set(block, [...(found.get(block) ?? []), field(group, index, `decision-${group.start + index}`)]);
    });
  }
  const blocks = [...found.keys()].sort((one, other) => one - other);
  return blocks.map((block) => element("fieldset", {}, element("legend", {}, `Block ${block}`), found.get(block)));
}

function verdict({ cost, edits, problem }) {
  const before = form.trial.target_cost;
  const figure = (name, key) => `${amount(cost[key])} ${name} (${percentChange(cost[key], before[key])})`;
  const costs = `${figure("multiply-adds", "backbone_multiply_adds")}, ${figure("parameters", "backbone_parameters")}`;
  return [
    element("p", {}, edits.length === 0 ? "Nothing is edited yet. Backbone: " : "Backbone: ", costs),
    problem === "" ? null : element("p", { class: "reason failed" }, `The search would not train it: ${problem}.`),
    edits.length === 0 ? null : element("ol", { class: "edits" }, edits.map((edit) => element("li", {}, edit))),
  ];
}

function showVariant() {
  const { edits, problem } = form.variant;
  fill(byId("variant-verdict"), verdict(form.variant));
  show("variant-force", problem !== "" && edits.length > 0);
  const isStopped = problem !== "" && !byId("force").checked;
  byId("variant-send").disabled = edits.length === 0 || isStopped || "readOnly" in byId("variant-send").dataset;
}

function complain(error) {
  form.variant = null;
  byId("variant-send").disabled = true;
  fill(byId("variant-verdict"), element("p", { class: "reason failed" }, error.message));
}

/** Has the edited architecture counted and drawn; of several that are under way, the last one is shown. */
async function count() {
  const round = ++form.round;
  byId("variant-send").disabled = true;
  byId("variant-note").textContent = "";
  try {
    const wanted = [form.trial.search, form.trial.number, genotypeOf(form.groups)];
    const [variant, picture] = await Promise.all([getVariant(...wanted), getVariantDrawing(...wanted)]);
    if (round !== form.round) return;
    form.variant = variant;
    relabel(form.groups, variant.decisions);
    showFields();
    showVariant();
    fill(byId("variant-drawing"), drawing(picture, "variant"));
  } catch (error) {
    if (round === form.round) complain(error);
  }
}

function begin() {
  form.groups = groupsOf(form.decisions);
  byId("variant-fields").replaceChildren(...fieldsets());
  showFields();
  count();
}

async function send(event, onClosed) {
  event.preventDefault();
  const { trial, variant } = form;
  byId("variant-send").disabled = true; // a second click is no second trial
  try {
    const wanted = { trial: trial.number, genotype: variant.genotype, force: variant.problem !== "" };
    await followRequest(trial.search, await enqueueTrial(trial.search, wanted), byId("variant-note"));
    onClosed();
  } catch (error) {
    byId("variant-note").textContent = `It was not asked for: ${error.message}`;
    showVariant();
  }
}

/** Offers the form for a trial of decisions; the form is built when it is opened. `onClosed()` is called when a trial came of it. */
export function offerVariant(searchId, trial, decisions, onClosed) {
  if (decisions.length === 0) return;
  show("variant-section", true);
  if (!byId("variant") || form.trial !== null) return; // the search takes no more trials, or the form is there already
  form.trial = { ...trial, search: searchId };
  form.decisions = decisions;
  byId("variant").addEventListener("toggle", begin, { once: true });
  byId("variant-reset").addEventListener("click", begin);
  byId("force").addEventListener("change", showVariant);
  byId("variant-form").addEventListener("submit", (event) => send(event, onClosed));
}
