// What a search has used, and what it will have used when it is done at the pace so far.

import { FINAL } from "./state.js";

const HOURS = [["gpu_hours", "GPU hours"], ["tpu_hours", "TPU hours"], ["cpu_hours", "CPU hours"]];
const MIN_TRAINED = 3;

/** Trainings on val at the end that were not made yet. */
function finalTrainings(search) {
  const { top, seeds, references } = search.config.reevaluate;
  return search.state === "stopping" || search.open_jobs.reevaluate > 0 ? search.open_jobs.reevaluate : (top + references.length) * seeds;
}

/**
 * How many times as much a search will have used in the end as it has until now: every training left costs what one cost
 * until now. Null for one that is over, or that is too young to tell.
 */
function growth(search) {
  const { trained, trials } = search.progress;
  if (FINAL.includes(search.state) || trained < MIN_TRAINED) return null;
  const left = search.state === "stopping" ? 0 : Math.max(0, trials - trained);
  return (trained + left + finalTrainings(search)) / trained;
}

const about = (used, times, limit) => {
  if (times === null) return null;
  return limit === null || limit === undefined ? used * times : Math.min(used * times, Math.max(limit, used));
};

const hours = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

/** Figures `[name, value, note]`: money where there is a price, and hours of the dearest device that is used. */
export function spendingFigures(search) {
  const { usage, config } = search;
  const times = growth(search);
  const found = [];
  if (usage.cost !== null) {
    const end = about(usage.cost, times, config.limits.cost);
    const limit = config.limits.cost === null ? "" : `, of ${config.limits.cost.toFixed(2)} at most`;
    found.push(["cost so far", `${usage.cost.toFixed(2)} ${usage.currency}`, end === null ? limit.slice(2) : `about ${end.toFixed(2)} when done${limit}`]);
  }
  const device = HOURS.find(([name]) => usage[name] > 0);
  if (device) {
    const [name, label] = device;
    const end = about(usage[name], times, config.limits[name]);
    found.push([label, hours(usage[name]), end === null ? "" : `about ${hours(end)} when done`]);
  }
  return found;
}
