// What a training did over its steps.

import { ap } from "./format.js";
import { lineChart } from "./line_chart.js";

function lossChart(trial, isFull) {
  const jobs = trial.jobs.filter((job) => (job.kind === "full_train") === isFull);
  const losses = jobs.map((job) => job.evaluation?.losses ?? []).find((found) => found.length > 1);
  if (!losses) return null;
  const [first, last] = [losses[0][1].toFixed(2), losses.at(-1)[1].toFixed(2)];
  const lastX = losses.at(-1)[0];
  return lineChart({
    title: isFull ? "Loss of the full training" : "Training loss",
    xLabel: "step",
    yLabel: "mean since the point before",
    points: losses,
    lastX,
    hasDots: false,
    words: `${isFull ? "Full training, loss" : "Training loss"}: from ${first} to ${last} in ${lastX} steps.`,
  });
}

function precisionChart(trial, measurements) {
  if (measurements.length === 0) return null;
  const numSteps = measurements[0].num_steps;
  const evaluation = trial.jobs.find((job) => job.kind === "proxy")?.evaluation;
  const points = measurements.map((each) => [each.step, each.average_precision]);
  const end = evaluation && [evaluation.stopped_at_step ?? numSteps, evaluation.average_precision];
  if (end && end[0] > points.at(-1)[0]) points.push(end);
  const said = points.map(([step, value]) => `${ap(value)} at step ${step}`).join(", ");
  const stopped = evaluation?.stopped_at_step ? ` Stopped early, of ${numSteps} steps.` : "";
  return lineChart({
    title: "AP while training",
    xLabel: "step",
    yLabel: "reward split",
    points,
    lastX: numSteps,
    hasDots: true,
    words: `AP on the reward split: ${said}.${stopped}`,
  });
}

/** The charts of a trial that there are points for. */
export const charts = (trial, measurements) => [precisionChart(trial, measurements), lossChart(trial, false), lossChart(trial, true)].filter((chart) => chart !== null);
