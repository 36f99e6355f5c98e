// One trial, whole; followed while it runs.

import { getBest, getCost, getDecisions, getDrawing, getMeasurements, getReferences, getSearch, getTrial } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { byId, element, fill, show } from "./dom.js";
import { drawing } from "./drawing.js";
import { amount, ap, apWithError, duration, milliseconds, secondsBetween } from "./format.js";
import { follow } from "./live.js";
import { bindMaking } from "./making.js";
import { ready } from "./ready.js";
import { stateLabel } from "./state.js";
import { blockTable, decisionTable } from "./trial_blocks.js";
import { comparison } from "./trial_compare.js";
import { charts } from "./trial_curves.js";
import { jobs } from "./trial_jobs.js";
import { showLineage } from "./trial_lineage.js";
import { showLogs } from "./trial_logs.js";
import { showPictures } from "./trial_pictures.js";
import { precision } from "./trial_precision.js";
import { offerVariant } from "./trial_variant.js";
import { verbButtons } from "./trial_verbs.js";

const { searchId, number: numberText } = byId("trial-page").dataset;
const number = Number(numberText);
const other = new URLSearchParams(location.search).get("with") ?? "";
const FINAL_TRIAL = ["completed", "stopped_early", "infeasible", "failed", "cancelled"];
const RETRY_MS = 3000;
const OPEN_MS = 5000;

let wanted = 0;
let asked = "";
let isFollowed = false;
let isOpen = false;

function latencyFigure(latency) {
  if (latency === null) return [];
  const [low, high] = latency.interval_ms;
  const { device, processor, threads } = latency.device;
  const where = `${device}, ${processor}, ${threads} ${threads === 1 ? "thread" : "threads"}`;
  return [["latency", milliseconds(latency.median_ms), `${milliseconds(low)} to ${milliseconds(high)} (95 %), whole target network on ${where}`]];
}

function figures(trial) {
  const val = [apWithError(trial.val_average_precision, trial.val_standard_error, trial.val_count), "mean over fresh seeds"];
  const rows = [
    ["AP on val", ...val],
    ["reward", ap(trial.reward), trial.reused_from ? `reused from trial ${trial.reused_from.trial}` : "one training, on the reward split"],
    ["multiply-adds", amount(trial.target_cost.backbone_multiply_adds), "backbone at target size"],
    ["parameters", amount(trial.target_cost.backbone_parameters), `with head ${amount(trial.target_cost.detector_parameters)}`],
    ...latencyFigure(trial.latency),
    ["as trained", amount(trial.proxy_cost.detector_multiply_adds), "multiply-adds with head"],
    ["dead blocks", String(trial.num_dead_blocks), ""],
    ["took", duration(secondsBetween(trial.started_at, trial.finished_at)), ""],
    ["found by", trial.arm, ""],
  ];
  return rows.map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value), element("dd", { class: "quiet" }, note)));
}

function showStatus(trial) {
  fill(byId("state"), stateLabel(trial.state));
  byId("reason").textContent = trial.failure;
  byId("reason").className = `reason ${trial.state}`;
  show("reason", trial.failure !== "");
  fill(byId("figures"), figures(trial));
  byId("fingerprint").textContent = trial.fingerprint;
}

/** Buttons stay as they are while neither state changes, so that focus does. */
function showVerbs(trial, search) {
  const states = `${trial.state} ${search.state}`;
  if (states !== asked) byId("verbs")?.replaceChildren(...verbButtons(trial, search, byId("asked"), refreshAndFollow));
  asked = states;
}

const hasOpenJobs = (trial) => trial.jobs.some((job) => job.state === "queued" || job.state === "running");

/** A section with content, or with a sentence where there is none yet. */
function section(id, content, emptyText) {
  fill(byId(id), content ?? element("p", { class: "quiet" }, emptyText));
}

async function showMeasured(trial, measurements) {
  const isOver = FINAL_TRIAL.includes(trial.state);
  section("precision", precision(trial), isOver ? "Nothing was measured." : "Average precision appears here when the first training ends.");
  const curves = charts(trial, measurements);
  section("curves", curves.length > 0 ? element("div", { class: "beside" }, curves) : null, isOver ? "No curve was kept." : "Curves appear here while it is trained and when it ends.");
  fill(byId("jobs"), jobs(searchId, trial));
  showLogs(byId("logs"), searchId, trial);
  await showPictures(byId("pictures"), searchId, trial);
}

/** What may change while the trial runs. */
async function load() {
  const round = ++wanted;
  const [trial, curve, search] = await Promise.all([getTrial(searchId, number), getMeasurements(searchId, number), getSearch(searchId)]);
  if (round !== wanted) return trial;
  isOpen = hasOpenJobs(trial);
  showStatus(trial);
  showVerbs(trial, search);
  await Promise.all([showMeasured(trial, curve.measurements), showLineage(searchId, trial)]);
  return trial;
}

/** What was settled when the trial was made. */
async function showArchitecture(trial) {
  const [cost, { decisions }] = await Promise.all([getCost(searchId, number), getDecisions(searchId, number)]);
  const { image_size: size, width_scale: scale } = cost;
  byId("target").textContent = `${Array.isArray(size) ? size.join(" × ") : `${size} × ${size}`} pixels, width scale ${scale}`;
  fill(byId("blocks"), blockTable(trial.spec, cost));
  section("decisions", decisions.length > 0 ? decisionTable(decisions) : null, "It was not decided by an algorithm.");
  offerVariant(searchId, trial, decisions, refresh);
}

async function showDrawings() {
  if (other === "") {
    fill(byId("drawing"), drawing(await getDrawing(searchId, number), "whole"));
    return;
  }
  try {
    fill(byId("drawing"), await comparison(searchId, number, other));
  } catch (error) {
    const reason = error.status === 404 || error.status === 422 ? `There is nothing called “${other}” to compare with: ${error.message}.` : error.message;
    byId("drawing").replaceChildren(element("p", { class: "reason failed", role: "alert" }, reason), drawing(await getDrawing(searchId, number), "whole"));
  }
}

/** What can be compared with, as suggestions: the best of this search, then every reference. */
async function suggest() {
  const [best, { references }] = await Promise.all([getBest(searchId), getReferences()]);
  const trials = best.trials.filter((trial) => trial.number !== number).map((trial) => [String(trial.number), `trial ${trial.number}, reward ${ap(trial.reward)}`]);
  const names = references.map((reference) => [reference.name, `${amount(reference.cost.backbone_multiply_adds)} multiply-adds`]);
  byId("others").replaceChildren(...[...trials, ...names].map(([value, label]) => element("option", { value, label })));
}

async function refresh() {
  try {
    await load();
    showBanner("");
  } catch (error) {
    showBanner(explain(error));
  }
}

async function refreshAndFollow() {
  try {
    await followWhileOpen(await load());
  } catch (error) {
    showBanner(explain(error));
  }
}

async function followWhileOpen(trial) {
  if (isFollowed || (FINAL_TRIAL.includes(trial.state) && !hasOpenJobs(trial))) return;
  isFollowed = true;
  setInterval(() => isOpen && !document.hidden && refresh(), OPEN_MS); // that a job on val begins is no event
  const search = await getSearch(searchId);
  const onEvent = (event) => event.trial_number === number && refresh();
  follow(searchId, search.last_sequence, onEvent, (isUp) => {
    byId("connection").textContent = isUp ? "live" : "not connected";
    if (!isUp) showBanner(explain({ status: 0 }));
    refresh();
  });
}

async function start() {
  try {
    const trial = await load();
    await Promise.all([showDrawings(), showArchitecture(trial), suggest(), followWhileOpen(trial)]);
    showBanner("");
    ready();
  } catch (error) {
    showBanner(explain(error));
    setTimeout(start, RETRY_MS);
  }
}

byId("with").value = other;
bindMaking();
start();
