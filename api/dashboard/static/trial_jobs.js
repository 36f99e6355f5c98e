// What was run for a trial: each job and attempt, where, how long, and why it failed.

import { artifactPath, exportPath } from "./api.js";
import { element } from "./dom.js";
import { amount, ap, duration, NONE, secondsBetween, time } from "./format.js";
import { measuredOn } from "./measured_on.js";
import { stateLabel } from "./state.js";
import { number, table, word } from "./table.js";

const PICTURE = /\/picture(-\d+\.(webp|jpg)|s\.json)$/;

const clock = (iso) => {
  const { text, utc } = time(iso);
  return element("time", { datetime: iso, title: utc }, text);
};

function attemptRow(job, attempt, previousEnd) {
  const isLast = attempt.number === job.attempts.length;
  const evaluation = isLast ? job.evaluation : null;
  return [
    measuredOn(job),
    String(job.seed),
    String(attempt.number),
    stateLabel(attempt.state),
    attempt.worker,
    clock(attempt.started_at),
    duration(secondsBetween(previousEnd, attempt.started_at)),
    duration(secondsBetween(attempt.started_at, attempt.finished_at)),
    duration(evaluation?.train_seconds ?? null),
    duration(evaluation?.eval_seconds ?? null),
    ap(evaluation?.average_precision),
  ];
}

function jobRows(job) {
  if (job.attempts.length === 0) {
    return [[measuredOn(job), String(job.seed), NONE, stateLabel(job.state), NONE, NONE, NONE, NONE, NONE, NONE, NONE]];
  }
  return job.attempts.map((attempt, index) => attemptRow(job, attempt, index === 0 ? job.created_at : job.attempts[index - 1].finished_at));
}

const HEAD = [
  word("Measured on"),
  number("Seed"),
  number("Attempt"),
  word("State"),
  word("Worker"),
  number("Started"),
  number("Waited", "from the job's creation, or the end of the attempt before"),
  number("Took"),
  number("Training"),
  number("Evaluation"),
  number("AP"),
];

function failure(job, attempt) {
  const { reason, kind, message, traceback } = attempt.failure;
  const summary = `Attempt ${attempt.number}, ${reason.replaceAll("_", " ")}: ${message}`;
  const note = `A failure of the ${kind}, on ${attempt.worker}.`;
  return element("details", { class: "failure" }, element("summary", {}, summary), element("p", { class: "hint" }, note), element("pre", {}, traceback || "No traceback."));
}

const failures = (trial) =>
  trial.jobs.flatMap((job) => job.attempts.filter((attempt) => attempt.failure).map((attempt) => failure(job, attempt)));

function ranOn(trial) {
  const evaluation = trial.jobs.find((job) => job.evaluation)?.evaluation;
  if (!evaluation) return null;
  const { data: _, ...notes } = evaluation.provenance ?? {};
  const facts = [
    `on ${evaluation.device}`,
    `${amount(evaluation.peak_memory_bytes)}B of memory at most`,
    `${evaluation.num_images} images evaluated`,
    ...Object.entries(notes).map(([name, value]) => `${name} ${value}`),
  ];
  return element("p", { class: "hint" }, `First training: ${facts.join(", ")}.`);
}

function files(searchId, trial) {
  const shown = trial.artifacts.filter((file) => !PICTURE.test(file.name));
  if (shown.length === 0) return null;
  const links = shown.map((file, index) => [
    index > 0 ? " · " : "",
    element("a", { href: artifactPath(searchId, file.key), download: true }, file.name),
    element("span", { class: "quiet" }, ` ${amount(file.num_bytes)}B`),
  ]);
  const source = element("a", { href: `${exportPath(searchId, trial.number, "pytorch")}&size=trained` }, "PyTorch file of the size that was trained");
  const weights = shown.some((file) => file.name.endsWith("/backbone.safetensors")) ? [". The weights of the backbone load into the ", source, "."] : [];
  return element("p", { class: "exports" }, "Files of the workers: ", links, weights);
}

/** Everything that was run for the trial. */
export function jobs(searchId, trial) {
  if (trial.jobs.length === 0) {
    const why = trial.state === "infeasible" ? "It is off budget, so it was never trained." : "No training was run on it.";
    return [element("p", { class: "quiet" }, why)];
  }
  return [table(HEAD, trial.jobs.flatMap(jobRows), "Jobs and attempts"), failures(trial), ranOn(trial), files(searchId, trial)];
}
