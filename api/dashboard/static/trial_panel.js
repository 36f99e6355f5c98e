// One trial: its drawing, its numbers, its jobs.

import { exportPath, getDrawing, getTrial } from "./api.js";
import { byId, element, fill, show } from "./dom.js";
import { amount, ap, apWithError, duration, NONE, secondsBetween, time } from "./format.js";
import { lossCurve } from "./loss_curve.js";
import { stateLabel } from "./state.js";

function figures(trial) {
  const cost = (name) => [amount(trial.target_cost[name]), element("span", { class: "quiet" }, ` · ${amount(trial.proxy_cost[name])} as trained`)];
  const rows = [
    ["State", stateLabel(trial.state)],
    ["Found by", trial.arm === "reference" ? "published architecture" : trial.arm],
    ["Reward", ap(trial.reward)],
    ["AP, reward split", ap(trial.average_precision)],
    ["AP on val", apWithError(trial.val_average_precision, trial.val_standard_error, trial.val_count)],
    ["Multiply-adds, backbone", cost("backbone_multiply_adds")],
    ["Multiply-adds, detector", cost("detector_multiply_adds")],
    ["Parameters, backbone", cost("backbone_parameters")],
    ["Dead blocks", String(trial.num_dead_blocks)],
    ["Fingerprint", element("code", { title: trial.fingerprint }, trial.fingerprint.slice(0, 12))],
    ["Took", duration(secondsBetween(trial.started_at, trial.finished_at))],
  ];
  return element("dl", { class: "facts" }, rows.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, value))));
}

/** The drawing, inlined. Its style sheet is adopted by the page, since the page allows no inline style elements. */
async function drawing(searchId, number) {
  const text = await getDrawing(searchId, number);
  const svg = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
  if (svg.nodeName !== "svg") return element("p", { class: "empty" }, "The drawing could not be read.");
  const sheet = new CSSStyleSheet();
  for (const style of [...svg.querySelectorAll("style")]) {
    sheet.replaceSync(style.textContent);
    style.remove();
  }
  document.adoptedStyleSheets = [sheet];
  return element("div", { class: "drawing wide" }, document.importNode(svg, true));
}

function jobRow(job) {
  const attempt = job.attempts.at(-1);
  const number = (content) => element("td", { class: "number" }, content);
  return element(
    "tr",
    {},
    element("td", {}, job.kind === "proxy" ? "reward split" : "val"),
    number(String(job.seed)),
    element("td", {}, stateLabel(job.state)),
    number(ap(job.evaluation?.average_precision)),
    number(duration(job.evaluation?.train_seconds ?? null)),
    element("td", {}, attempt?.worker ?? NONE),
    number(String(job.attempts.length)),
    element("td", {}, attempt ? element("time", { datetime: attempt.started_at, title: time(attempt.started_at).utc }, time(attempt.started_at).text) : NONE),
  );
}

function jobs(trial) {
  if (trial.jobs.length === 0) return element("p", { class: "quiet" }, "No training was run on it.");
  const head = ["Measured on", "Seed", "State", "AP", "Training", "Worker", "Attempts", "Last start"];
  const isNumber = [false, true, false, true, true, false, true, false];
  return element(
    "div",
    { class: "wide" },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, head.map((name, i) => element("th", { class: isNumber[i] ? "number" : null }, name)))),
      element("tbody", {}, trial.jobs.map(jobRow)),
    ),
  );
}

function failures(trial) {
  const found = trial.jobs.flatMap((job) => job.attempts).filter((attempt) => attempt.failure);
  return found.map(({ number, failure }) =>
    element("details", { class: "failure" }, element("summary", {}, `Attempt ${number}: ${failure.message}`), element("pre", {}, failure.traceback || "No traceback.")),
  );
}

function exports(searchId, number) {
  const link = (format, text) => element("a", { href: exportPath(searchId, number, format), download: true }, text);
  return element("p", { class: "exports" }, "Export: ", link("spec", "block specs (JSON)"), " ", link("pytorch", "PyTorch file"), " ", link("svg", "drawing (SVG)"));
}

function blocks(spec) {
  const all = [...spec.stem.blocks, ...spec.blocks];
  const head = element("tr", {}, ["Block", "Level", "Type", "Parents", ""].map((name) => element("th", {}, name)));
  const rows = all.map((block, index) =>
    element(
      "tr",
      {},
      element("td", { class: "number" }, String(index)),
      element("td", {}, `L${block.level}`),
      element("td", {}, block.block_type + (block.repeats > 1 ? ` × ${block.repeats}` : "")),
      element("td", {}, block.parents.join(", ")),
      element("td", {}, index < spec.stem.blocks.length ? "stem" : block.is_output ? "output" : ""),
    ),
  );
  return element("details", {}, element("summary", {}, "Block by block"), element("div", { class: "wide" }, element("table", {}, element("thead", {}, head), element("tbody", {}, rows))));
}

/** Shows a trial; an error of the API is shown in its place. */
export async function showTrial(searchId, number) {
  const container = byId("trial");
  show("trial-empty", false);
  try {
    const [trial, picture] = await Promise.all([getTrial(searchId, number), drawing(searchId, number)]);
    byId("trial-title").textContent = trial.name ? `${trial.name} (trial ${number})` : `Trial ${number}`;
    const losses = trial.jobs.map((job) => job.evaluation?.losses ?? []).find((points) => points.length > 1);
    const open = [...container.querySelectorAll("details[open] > summary")].map((summary) => summary.textContent);
    fill(
      container,
      trial.failure && element("p", { class: "reason" }, trial.failure),
      picture,
      exports(searchId, number),
      figures(trial),
      losses && lossCurve(losses),
      element("h3", {}, "Trainings"),
      jobs(trial),
      failures(trial),
      blocks(trial.spec),
    );
    for (const details of container.querySelectorAll("details")) details.open = open.includes(details.firstChild.textContent);
    return trial.state;
  } catch (error) {
    byId("trial-title").textContent = "Architecture";
    fill(container, element("p", { class: "empty" }, error.status === 404 ? `There is no trial ${number} in this search.` : error.message));
    return null;
  }
}
