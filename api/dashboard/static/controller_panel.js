// The controller from inside: how sure it is of its decisions, and how well its own signals look.

import { ARMS } from "./arms.js";
import { element } from "./dom.js";
import { seriesChart } from "./series_chart.js";

const KINDS = ["intermediate_level", "output_level", "level_adjustment", "block_type", "parent", "resource_multiplier"];
const plain = (name) => name.replaceAll("_", " ");
const percent = (share) => `${Math.round(100 * share)} %`;
const three = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Points of the runs of trials that have a value. */
const points = (buckets, value) => buckets.filter((bucket) => value(bucket) !== null && value(bucket) !== undefined).map((bucket) => [bucket.last_trial, value(bucket)]);

function told(title, words, series, lastX, more) {
  const drawn = series.filter((each) => each.points.length > 0);
  if (drawn.length === 0) return null;
  const last = drawn.map((each) => `${each.name} ${more.text(each.points.at(-1)[1])}`).join(", ");
  return seriesChart({ title, xLabel: "Trial", at: "trial", series: drawn, lastX, isStep: false, note: "", ...more, words: `${words}: at the end ${last}` });
}

/** Of the trials of a run, those that this proposed; those of users are among them. */
function ofAll({ arms }, arm) {
  const all = Object.values(arms).reduce((sum, count) => sum + count, 0);
  return all > 0 ? (arms[arm] ?? 0) / all : null;
}

function bucketCharts(buckets) {
  const lastX = buckets.at(-1).last_trial;
  const kinds = KINDS.filter((kind) => buckets.some((bucket) => kind in bucket.entropy));
  const arms = [...new Set(buckets.flatMap((bucket) => Object.keys(bucket.arms)))];
  const share = (count) => (bucket) => (bucket.asked > 0 ? count(bucket) / bucket.asked : null);
  const shares = [
    { name: "seen before", points: points(buckets, share((bucket) => bucket.duplicates)) },
    { name: "infeasible", points: points(buckets, share((bucket) => bucket.infeasible)) },
  ];
  const staleness = [
    { name: "mean", points: points(buckets, (bucket) => bucket.staleness_mean) },
    { name: "most", points: points(buckets, (bucket) => bucket.staleness_max) },
  ];
  const byArm = arms.map((arm) => ({ name: plain(arm), look: `arm-${arm in ARMS ? arm.replace("_", "-") : "other"}`, points: points(buckets, (bucket) => ofAll(bucket, arm)) }));
  const entropies = kinds.map((kind) => ({ name: plain(kind), points: points(buckets, (bucket) => bucket.entropy[kind]) }));
  return [
    told("Entropy of decisions", "Entropy by kind of decision", entropies, lastX, { note: "1: anything goes, 0: always the same", range: [0, 1], text: (value) => value.toFixed(2) }),
    told("Share of candidates", "Share of candidates", shares, lastX, { note: "seen before in this search, or off the budget", range: [0, 1], text: percent }),
    arms.length > 1 ? told("Proposed by", "Share by arm", byArm, lastX, { note: "share of trials", range: [0, 1], text: percent }) : null,
    told("Staleness", "Staleness", staleness, lastX, { note: "results between a proposal and its own", text: (value) => value.toFixed(1) }),
  ];
}

/** A small chart for each number that the algorithm tells of itself. */
function diagnosticCharts(diagnostics) {
  if (diagnostics.length === 0) return [];
  const names = [...new Set(diagnostics.flatMap((point) => Object.keys(point.values)))].filter((name) => name !== "told");
  const lastX = Math.max(1, diagnostics.at(-1).told);
  return names.map((name) => {
    const series = [{ name: plain(name), points: diagnostics.filter((point) => Number.isFinite(point.values[name])).map((point) => [point.told, point.values[name]]) }];
    const title = plain(name).replace(/^./, (letter) => letter.toUpperCase());
    return told(title, plain(name), series, lastX, { note: "as the algorithm tells it", xLabel: "Results told", at: "result", text: three });
  });
}

/** How likely a searched trial beats a random one; nothing where there is none to compare with. */
function beatsRandom(improvement) {
  if (improvement === null) return null;
  const withInterval = ({ probability, interval: [low, high] }) => `${percent(probability)} (${Math.round(100 * low)} to ${percent(high)})`;
  const random = improvement.against === "control" ? "one of the control arm" : "a random one";
  return element("p", { class: "quiet" }, `A searched trial is better than ${random} with a probability of ${withInterval(improvement.all)}, one of the newest half with ${withInterval(improvement.newest_half)}.`);
}

/** What the answer of `/controller` says: warnings, and charts. */
export function controllerParts({ algorithm, buckets, diagnostics, warnings, improvement, earlier }) {
  const found = warnings.map(({ message }) => element("p", { class: "warning", role: "status" }, element("strong", {}, "Warning: "), message));
  const charts = [...bucketCharts(buckets), ...diagnosticCharts(diagnostics)].filter((chart) => chart !== null);
  const begun = earlier.map(({ words }) => element("p", { class: "quiet" }, `Warm start: ${words}.`));
  return [element("p", { class: "quiet" }, `Algorithm: ${algorithm}`), ...begun, beatsRandom(improvement), ...found, element("div", { class: "small-charts" }, charts)];
}
