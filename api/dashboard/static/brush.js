// Trials picked out by ranges: "number=1..40;reward=0.1..0.3" in the address. What a range is drawn on does not matter,
// so that every chart and the table show the same ones.

import { remember, said } from "./address.js";
import { amount, ap, milliseconds, whole } from "./format.js";

/** What a range may be over: columns of the history, and how each is said. */
export const COLUMNS = {
  number: { label: "trial", text: (value) => whole(Math.round(value)) },
  reward: { label: "reward", text: ap },
  multiply_adds: { label: "multiply-adds", text: amount },
  parameters: { label: "parameters", text: amount },
  latency_ms: { label: "latency", text: milliseconds },
  seconds: { label: "hours", text: (value) => (value / 3600).toFixed(2) },
};

/** An end that is as far as numbers go: none of the columns comes near. */
export const OPEN = 1e15;

const rounded = (value) => Number(value.toPrecision(6));

/** The ranges in the address, `{column: [low, high]}`; null for none. */
export function brushed() {
  const found = {};
  for (const part of (said("brush") ?? "").split(";")) {
    const [, column, low, high] = /^(\w+)=([-\d.e+]+)\.\.([-\d.e+]+)$/.exec(part) ?? [];
    if (column in COLUMNS && Number(low) <= Number(high)) found[column] = [Number(low), Number(high)];
  }
  return Object.keys(found).length > 0 ? found : null;
}

/** Keeps ranges in the address; null clears them. */
export function keepBrush(ranges) {
  const parts = Object.entries(ranges ?? {}).map(([column, [low, high]]) => `${column}=${rounded(low)}..${rounded(high)}`);
  remember("brush", parts.length > 0 ? parts.join(";") : null);
}

/** The places in the history of the trials inside all ranges; null where there are no ranges. References are never inside. */
export function inside(history, ranges) {
  if (ranges === null) return null;
  const tests = Object.entries(ranges);
  const isIn = (index) => tests.every(([column, [low, high]]) => history[column][index] !== null && history[column][index] >= low && history[column][index] <= high);
  const places = history.number.map((_, index) => index).filter((index) => history.arm[index] !== "reference" && isIn(index));
  return new Set(places);
}

function rangeWords(column, [low, high]) {
  const { label, text } = COLUMNS[column];
  if (low <= -OPEN) return `${label} up to ${text(high)}`;
  return high >= OPEN ? `${label} from ${text(low)}` : `${label} ${text(low)} to ${text(high)}`;
}

/** "trial 1 to 40, reward from 0.100" */
export const brushWords = (ranges) => Object.entries(ranges).map(([column, range]) => rangeWords(column, range)).join(", ");
