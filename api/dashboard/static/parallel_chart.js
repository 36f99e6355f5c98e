// Parallel coordinates of trials: one line for each, coloured by reward; a drag along an axis picks trials out.

import { COLUMNS } from "./brush.js";
import { svg, titled } from "./svg.js";

const [WIDTH, HEIGHT] = [1100, 300];
const MARGIN = { left: 46, right: 46, top: 34, bottom: 14 };
const AXES = ["number", "multiply_adds", "parameters", "reward"];
const CLASSES = 5;
const MOST_LINES = 2000;
const CLICK = 4;

const bottom = HEIGHT - MARGIN.bottom;
const height = bottom - MARGIN.top;

function scaleOf(column, values, place) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const spread = high - low || 1;
  return {
    column,
    low,
    high,
    x: MARGIN.left + (place / (AXES.length - 1)) * (WIDTH - MARGIN.left - MARGIN.right),
    up: (value) => bottom - ((value - low) / spread) * height,
    value: (y) => low + ((bottom - Math.max(MARGIN.top, Math.min(bottom, y))) / height) * spread,
  };
}

/** Places of trials with all columns, spread evenly where there are too many; the best are always there. */
function drawable(history) {
  const isWhole = (index) => history.arm[index] !== "reference" && history.state[index] !== "stopped_early" && AXES.every((column) => history[column][index] !== null);
  const whole = history.number.map((_, index) => index).filter(isWhole);
  if (whole.length <= MOST_LINES) return whole;
  const best = [...whole].sort((one, other) => history.reward[other] - history.reward[one]).slice(0, MOST_LINES / 4);
  const room = MOST_LINES - best.length;
  return [...new Set([...Array.from({ length: room }, (_, place) => whole[Math.floor((place * whole.length) / room)]), ...best])];
}

/** All lines of one class are one path, so that thousands cost no more than five. */
function linesOf(history, scales, places) {
  return places.map((index) => scales.map((scale, place) => `${place === 0 ? "M" : "L"}${scale.x.toFixed(0)},${scale.up(history[scale.column][index]).toFixed(1)}`).join("")).join("");
}

function classes(history, places) {
  const ranked = [...places].sort((one, other) => history.reward[one] - history.reward[other]);
  return Array.from({ length: CLASSES }, (_, rank) => ranked.filter((_, place) => Math.floor((place * CLASSES) / ranked.length) === rank));
}

function axis(scale, range, onRange) {
  const { label, text } = COLUMNS[scale.column];
  const band = range && [scale.up(Math.min(range[1], scale.high)), scale.up(Math.max(range[0], scale.low))];
  const shade = svg("rect", { class: "range", x: scale.x - 8, width: 16, y: band ? band[0] : 0, height: band ? Math.max(1, band[1] - band[0]) : 0 });
  const handle = svg("rect", { class: "handle", x: scale.x - 18, y: MARGIN.top - 6, width: 36, height: height + 12 }, titled(`Drag to pick out by ${label}`));
  listen(handle, shade, scale, onRange);
  const end = (value, y) => svg("text", { class: "middle end-value", x: scale.x, y }, text(value));
  const line = svg("line", { x1: scale.x, x2: scale.x, y1: MARGIN.top, y2: bottom });
  const name = svg("text", { class: "middle name", x: scale.x, y: 12 }, label);
  return svg("g", { class: "axis" }, line, shade, name, end(scale.high, MARGIN.top - 8), end(scale.low, HEIGHT - 1), handle);
}

function listen(handle, shade, scale, onRange) {
  let from = null;
  const place = (event) => {
    const box = handle.ownerSVGElement.getBoundingClientRect();
    return ((event.clientY - box.top) / box.height) * HEIGHT;
  };
  handle.addEventListener("pointerdown", (event) => {
    from = place(event);
    handle.setPointerCapture(event.pointerId);
  });
  handle.addEventListener("pointermove", (event) => {
    if (from === null) return;
    shade.setAttribute("y", Math.min(from, place(event)));
    shade.setAttribute("height", Math.abs(place(event) - from));
  });
  handle.addEventListener("pointerup", (event) => {
    const ends = [from, place(event)];
    from = null;
    onRange(scale.column, Math.abs(ends[0] - ends[1]) < CLICK ? null : ends.map(scale.value).sort((a, b) => a - b));
  });
}

/** The picture of a view; null where no trial has a reward. `onRange(column, range)`: a range was drawn, or (null) taken away. */
export function parallelChart({ history, chosen, brush }, onRange) {
  const places = drawable(history);
  if (places.length === 0) return null;
  const scales = AXES.map((column, place) => scaleOf(column, places.map((index) => history[column][index]), place));
  const shown = chosen === null ? places : places.filter((index) => chosen.has(index));
  const faint = chosen === null ? [] : [svg("path", { class: "faint", d: linesOf(history, scales, places) })];
  const lines = classes(history, shown).map((group, rank) => svg("path", { class: `rank-${rank + 1}`, d: linesOf(history, scales, group) }));
  const axes = scales.map((scale) => axis(scale, brush?.[scale.column] ?? null, onRange));
  const words = `${shown.length} trials as lines over ${AXES.map((column) => COLUMNS[column].label).join(", ")}`;
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "parallel", role: "img", "aria-label": words }, faint, lines, axes);
}
