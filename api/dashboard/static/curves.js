// What a training did over its steps, as small drawings of their own.

import { ap } from "./format.js";
import { svg } from "./svg.js";

const [WIDTH, HEIGHT] = [320, 72];
const DOT = 3;

/** A figure of (step, value) points, at least one; the step axis ends at `lastStep`. */
function curve(points, lastStep, label, hasDots) {
  const highest = Math.max(...points.map(([, value]) => value)) || 1;
  const places = points.map(([step, value]) => [(step / lastStep) * WIDTH, HEIGHT - DOT - (value / highest) * (HEIGHT - 2 * DOT)].map((x) => x.toFixed(1)));
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH + DOT} ${HEIGHT}`, class: "curve", role: "img", "aria-label": label });
  picture.append(svg("line", { x1: 0, y1: HEIGHT - 0.5, x2: WIDTH, y2: HEIGHT - 0.5 }), svg("polyline", { points: places.join(" ") }));
  if (hasDots) picture.append(...places.map(([cx, cy]) => svg("circle", { cx, cy, r: DOT })));
  const caption = document.createElement("figcaption");
  caption.textContent = label;
  const figure = document.createElement("figure");
  figure.append(picture, caption);
  return figure;
}

/** The training loss by step, from the evaluation of a trial's first job that has one; null without. */
export function lossCurve(trial) {
  const points = trial.jobs.map((job) => job.evaluation?.losses ?? []).find((losses) => losses.length > 1);
  if (!points) return null;
  const [first, last] = [points[0][1].toFixed(2), points.at(-1)[1].toFixed(2)];
  const lastStep = points.at(-1)[0];
  return curve(points, lastStep, `Training loss: from ${first} to ${last} in ${lastStep} steps`, false);
}

/** AP on the reward split by step: what was measured on the way, and at the end; null where nothing was on the way. */
export function precisionCurve(trial, measurements) {
  if (measurements.length === 0) return null;
  const numSteps = measurements[0].num_steps;
  const evaluation = trial.jobs.find((job) => job.kind === "proxy")?.evaluation;
  const points = measurements.map((measurement) => [measurement.step, measurement.average_precision]);
  const end = evaluation && [evaluation.stopped_at_step ?? numSteps, evaluation.average_precision];
  if (end && end[0] > points.at(-1)[0]) points.push(end);
  const said = points.map(([step, value]) => `${ap(value)} at ${Math.round((100 * step) / numSteps)} %`).join(", ");
  return curve(points, numSteps, `AP on the reward split while training: ${said}`, true);
}
