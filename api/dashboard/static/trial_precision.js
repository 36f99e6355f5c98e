// Average precision of a trial: whole, by IoU, by size of the objects, and by class.

import { element } from "./dom.js";
import { ap, NONE } from "./format.js";
import { bar, number, table, word } from "./table.js";

const METRICS = [
  ["ap", "AP", "IoU 0.50 to 0.95"],
  ["ap50", "AP50", "IoU 0.50"],
  ["ap75", "AP75", "IoU 0.75"],
  ["ap_small", "AP, small", "objects below 32² pixels"],
  ["ap_medium", "AP, medium", "32² to 96² pixels"],
  ["ap_large", "AP, large", "above 96² pixels"],
  ["ar_1", "AR, 1 box", "recall with one box an image"],
  ["ar_10", "AR, 10 boxes", "recall with ten boxes an image"],
  ["ar_100", "AR, 100 boxes", "recall with a hundred boxes an image"],
];
const MANY_CLASSES = 12;

/** The value of a metric in an evaluation; null where it was not measured, or the split has no such object (-1). */
function valueOf(evaluation, name) {
  const value = name === "ap" ? evaluation.average_precision : evaluation.metrics?.[name];
  return value === undefined || value < 0 ? null : value;
}

/** Mean over the evaluations that have a value. */
function mean(evaluations, read) {
  const values = evaluations.map(read).filter((value) => value !== null);
  return values.length === 0 ? null : values.reduce((sum, value) => sum + value, 0) / values.length;
}

const evaluations = (trial, kind) => trial.jobs.filter((job) => job.kind === kind && job.evaluation).map((job) => job.evaluation);

function columns(trial) {
  const [reward, val, full] = ["proxy", "reevaluate", "full_train"].map((kind) => evaluations(trial, kind));
  const seeds = val.length > 1 ? `val, mean of ${val.length} seeds` : "val";
  return [
    { name: "reward split", found: reward },
    { name: seeds, found: val },
    { name: full.length > 1 ? `val, full training, mean of ${full.length}` : "val, full training", found: full },
  ].filter((column) => column.found.length > 0);
}

function byMetric(measured) {
  const known = METRICS.filter(([name]) => measured.some(({ found }) => mean(found, (each) => valueOf(each, name)) !== null));
  const rows = known.map(([name, label, note]) => [
    [label, element("span", { class: "quiet second" }, note)],
    ...measured.map(({ found }) => ap(mean(found, (each) => valueOf(each, name)))),
  ]);
  return table([word("Metric"), ...measured.map((column) => number(column.name))], rows, "Average precision by metric");
}

const ofClass = (name) => (evaluation) => evaluation.class_average_precision?.[name] ?? null;

function byClass(measured) {
  const names = [...new Set(measured.flatMap(({ found }) => found.flatMap((each) => Object.keys(each.class_average_precision ?? {}))))];
  if (names.length === 0) return null;
  const values = names.map((name) => measured.map(({ found }) => mean(found, ofClass(name))));
  const rows = names
    .map((name, index) => ({ name, values: values[index] }))
    .sort((one, other) => (other.values.at(-1) ?? -1) - (one.values.at(-1) ?? -1))
    .map((entry) => [entry.name, ...entry.values.map((value) => (value === null ? NONE : [ap(value), bar(value)]))]);
  const head = [word("Class"), ...measured.map((column) => number(column.name))];
  const whole = table(head, rows, "Average precision by class");
  if (names.length <= MANY_CLASSES) return whole;
  return element("details", {}, element("summary", {}, `All ${names.length} classes, best first`), whole);
}

/** The tables of what was measured; null where nothing was. */
export function precision(trial) {
  const measured = columns(trial);
  if (measured.length === 0) return null;
  return element("div", { class: "beside" }, byMetric(measured), byClass(measured));
}
