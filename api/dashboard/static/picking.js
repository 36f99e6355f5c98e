// Picking trials out by numbers written into fields: what a drag in a chart does, for those who do not drag.

import { OPEN } from "./brush.js";
import { byId } from "./dom.js";

const fieldsOf = (form) => [...form.querySelectorAll("[data-column]")];

/** A number as people write it: 12, 0.25, 80G, 28.5M; null for an empty or strange one. */
export function parsed(text) {
  const [, digits, unit] = /^\s*(-?[\d.]+(?:e-?\d+)?)\s*([kMGT]?)\s*$/.exec(text) ?? [];
  const value = digits === undefined ? NaN : Number(digits) * { "": 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit];
  return Number.isFinite(value) ? value : null;
}

/** The ranges that the fields say; an open end is as far as numbers go. */
function rangesOf(form) {
  const ranges = {};
  for (const field of fieldsOf(form)) {
    const value = parsed(field.value);
    if (value === null) continue;
    const { column, end } = field.dataset;
    ranges[column] ??= [-OPEN, OPEN];
    ranges[column][end === "from" ? 0 : 1] = value;
  }
  return Object.keys(ranges).length > 0 ? ranges : null;
}

/** Ties the form to a brush: `current()` is what is picked out now, `onBrush(ranges)` picks out. */
export function bindPicking(current, onBrush) {
  const form = byId("picking");
  form.closest("details").addEventListener("toggle", () => {
    const ranges = current() ?? {};
    for (const field of fieldsOf(form)) {
      const value = ranges[field.dataset.column]?.[field.dataset.end === "from" ? 0 : 1] ?? null;
      field.value = value === null || Math.abs(value) >= OPEN ? "" : String(value);
    }
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    onBrush(rangesOf(form));
  });
}
