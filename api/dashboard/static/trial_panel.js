// One trial: its drawing, its numbers, its jobs.

import { exportPath, getDrawing, getMeasurements, getTrial } from "./api.js";
import { lossCurve, precisionCurve } from "./curves.js";
import { byId, element, fill, show } from "./dom.js";
import { drawing } from "./drawing.js";
import { FORMATS, madeFirst } from "./export_formats.js";
import { amount, ap, apWithError, duration, latency, NONE, secondsBetween, time } from "./format.js";
import { measuredOn } from "./measured_on.js";
import { reuseNote } from "./reuse.js";
import { stateLabel } from "./state.js";
import { number, table, word } from "./table.js";

/** "after step 150": where a training was stopped; null for a whole one. */
function stopNote(trial) {
  const step = trial.jobs.find((job) => job.kind === "proxy")?.evaluation?.stopped_at_step ?? null;
  return step === null ? null : element("span", { class: "quiet second" }, `after step ${step}`);
}

function figures(searchId, trial) {
  const rows = [
    ["State", [stateLabel(trial.state), stopNote(trial)]],
    ["Found by", trial.arm === "reference" ? "published architecture" : trial.arm],
    ["Reward", [ap(trial.reward), " ", reuseNote(searchId, trial.reused_from)]],
    ["AP, reward split", ap(trial.average_precision)],
    ["AP on val", apWithError(trial.val_average_precision, trial.val_standard_error, trial.val_count)],
    ...(trial.latency === null ? [] : [["Latency", latency(trial.latency)]]),
    ["Dead blocks", String(trial.num_dead_blocks)],
    ["Took", duration(secondsBetween(trial.started_at, trial.finished_at))],
    ["Fingerprint", element("code", { title: trial.fingerprint }, trial.fingerprint.slice(0, 12))],
  ];
  return element("dl", { class: "facts" }, rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

function costs(trial) {
  const head = [word(""), number("Multiply-adds, backbone"), number("with head"), number("Parameters, backbone"), number("with head")];
  const row = (name, cost) => [
    name,
    amount(cost.backbone_multiply_adds),
    amount(cost.detector_multiply_adds),
    amount(cost.backbone_parameters),
    amount(cost.detector_parameters),
  ];
  return table(head, [row("at target size", trial.target_cost), row("as trained", trial.proxy_cost)], "Cost");
}

function jobRow(job) {
  const attempt = job.attempts.at(-1);
  const started = attempt && time(attempt.started_at);
  return [
    measuredOn(job),
    String(job.seed),
    stateLabel(job.state),
    ap(job.evaluation?.average_precision),
    duration(job.evaluation?.train_seconds ?? null),
    attempt?.worker ?? NONE,
    String(job.attempts.length),
    started ? element("time", { datetime: attempt.started_at, title: started.utc }, started.text) : NONE,
  ];
}

function jobs(trial) {
  if (trial.jobs.length === 0) return element("p", { class: "quiet" }, "No training was run on it.");
  const head = [word("Measured on"), number("Seed"), word("State"), number("AP"), number("Training"), word("Worker"), number("Attempts"), word("Last start")];
  return table(head, trial.jobs.map(jobRow), "Trainings");
}

function failures(trial) {
  const found = trial.jobs.flatMap((job) => job.attempts).filter((attempt) => attempt.failure);
  return found.map(({ number, failure }) =>
    element("details", { class: "failure" }, element("summary", {}, `Attempt ${number}, ${failure.reason.replaceAll("_", " ")}: ${failure.message}`), element("pre", {}, failure.traceback || "No traceback.")),
  );
}

/** Links to files. What an architecture cannot be written as is refused with the reason, which the browser then shows. */
function exports(searchId, number) {
  const link = ([format, text]) => element("a", { href: exportPath(searchId, number, format), ...madeFirst(format, `trial ${number}`) }, text);
  return element("p", { class: "exports" }, "Export: ", FORMATS.map((entry, index) => [index > 0 ? " · " : "", link(entry)]));
}

function blocks(spec) {
  const role = (block, index) => (index < spec.stem.blocks.length ? "stem" : block.is_output ? "output" : "");
  const type = (block) => block.block_type + (block.repeats > 1 ? ` × ${block.repeats}` : "");
  const rows = [...spec.stem.blocks, ...spec.blocks].map((block, index) => [
    String(index),
    `L${block.level}`,
    type(block),
    block.parents.join(", "),
    role(block, index),
  ]);
  const head = [number("Block"), word("Level"), word("Type"), word("Parents"), word("Role")];
  return element("details", {}, element("summary", {}, "Block by block"), table(head, rows, "Block by block"));
}

let wanted = 0;

/** Shows a trial; an error of the API is shown in its place. */
export async function showTrial(searchId, number) {
  const container = byId("trial");
  wanted = number;
  show("trial-empty", false);
  try {
    const [trial, curve, text] = await Promise.all([getTrial(searchId, number), getMeasurements(searchId, number), getDrawing(searchId, number)]);
    if (number !== wanted) return; // another was chosen meanwhile
    byId("trial-title").textContent = trial.name ? `${trial.name} (trial ${number})` : `Trial ${number}`;
    const open = [...container.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
    fill(
      container,
      trial.failure && element("p", { class: "reason" }, trial.failure),
      drawing(text, "panel"),
      exports(searchId, number),
      figures(searchId, trial),
      element("h3", {}, "Cost"),
      costs(trial),
      element("h3", {}, "Trainings"),
      jobs(trial),
      precisionCurve(trial, curve.measurements),
      lossCurve(trial),
      failures(trial),
      blocks(trial.spec),
    );
    for (const details of container.querySelectorAll("details")) details.open = open.includes(details.firstChild.textContent);
  } catch (error) {
    if (number !== wanted) return;
    byId("trial-title").textContent = "Architecture";
    fill(container, element("p", { class: "empty" }, error.status === 404 ? `There is no trial ${number} in this search.` : error.message));
  }
}
