// The size of what the front dominates, over the trainings.

import { costText, whole } from "./format.js";
import { seriesChart } from "./series_chart.js";

/** A step for each time the front moved, in so many trainings; null before it did. */
export function hypervolumeChart({ hypervolume, reference_point: from, cost }, trained) {
  if (hypervolume.length === 0) return null;
  const points = hypervolume.map((step) => [step.trained, step.value]);
  const lastX = Math.max(trained, points.at(-1)[0], 1);
  const last = points.at(-1)[1].toFixed(3);
  return seriesChart({
    title: "Hypervolume",
    note: `share of all up to AP 1, within ${costText(cost, from.cost)}`,
    xLabel: "Trainings",
    at: "training",
    series: [{ name: "hypervolume", points: points.at(-1)[0] < lastX ? [...points, [lastX, points.at(-1)[1]]] : points }],
    lastX,
    isStep: true,
    text: (value) => value.toFixed(3),
    words: `Hypervolume: ${last} after ${whole(lastX)} trainings, it rose ${points.length} times`,
  });
}
