// A small chart of several series over trials, as SVG of our own. The values under the pointer stand below it.

import { element } from "./dom.js";
import { amount, whole } from "./format.js";
import { svg } from "./svg.js";

const [WIDTH, HEIGHT] = [440, 190];
const MARGIN = { left: 46, right: 20, top: 8, bottom: 34 };
const TICKS = 4;

/** Round numbers around [low, high], about `TICKS` of them. */
function niceTicks(low, high) {
  const rough = (high - low) / TICKS || 1;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9);
  return Array.from({ length: Math.ceil(high / step - 1e-9) - first + 1 }, (_, index) => (first + index) * step);
}

const decimals = (step) => Math.max(0, -Math.floor(Math.log10(step) + 1e-9));

function text(value, step) {
  if (step >= 1000) return amount(value);
  return step >= 1 ? whole(Math.round(value)) : value.toFixed(decimals(step));
}

function scales(chart) {
  const points = chart.series.flatMap((series) => series.points);
  const [low, high] = chart.range ?? [Math.min(0, ...points.map(([, y]) => y)), Math.max(...points.map(([, y]) => y))];
  const yTicks = niceTicks(low, high === low ? low + 1 : high);
  const xTicks = niceTicks(0, chart.lastX);
  const [bottom, top] = [yTicks[0], yTicks.at(-1)];
  const across = (x) => MARGIN.left + (x / chart.lastX) * (WIDTH - MARGIN.left - MARGIN.right);
  const up = (y) => HEIGHT - MARGIN.bottom - ((y - bottom) / (top - bottom)) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  return { across, up, top, xTicks: xTicks.filter((x) => x <= chart.lastX), yTicks, step: yTicks[1] - yTicks[0], xStep: xTicks[1] - xTicks[0] };
}

function frame(chart, { across, up, xTicks, yTicks, step, xStep }) {
  const lines = yTicks.map((y) => svg("line", { class: "grid", x1: across(0), x2: across(chart.lastX), y1: up(y), y2: up(y) }));
  const ends = yTicks.map((y) => svg("text", { class: "end", x: MARGIN.left - 6, y: up(y) + 4 }, text(y, step)));
  const feet = xTicks.map((x) => svg("text", { class: "middle", x: across(x), y: HEIGHT - MARGIN.bottom + 15 }, text(x, xStep)));
  const title = svg("text", { class: "middle", x: (across(0) + across(chart.lastX)) / 2, y: HEIGHT - 4 }, chart.xLabel);
  return [...lines, ...ends, ...feet, title];
}

function path(points, { across, up, top }, isStep) {
  const places = points.map(([x, y]) => [across(x).toFixed(1), up(Math.min(y, top)).toFixed(1)]);
  const corners = places.map(([x, y], index) => (index === 0 ? `M${x},${y}` : isStep ? `H${x}V${y}` : `L${x},${y}`));
  return corners.join("");
}

const look = (series, index) => series.look ?? `series-${index + 1}`;

const drawn = (chart, scale) =>
  chart.series.map((series, index) =>
    series.points.length === 1
      ? svg("circle", { class: `dot ${look(series, index)}`, cx: scale.across(series.points[0][0]), cy: scale.up(series.points[0][1]), r: 3.5 })
      : svg("path", { class: `line ${look(series, index)}`, d: path(series.points, scale, chart.isStep) }),
  );

/** The last point at or before x, else the first. */
const at = (points, x) => points.findLast(([place]) => place <= x) ?? points[0];

/** Names and values of the series at x, each with its look. */
function readout(chart, x) {
  const values = chart.series.map((series, index) =>
    element("span", { class: "key" }, element("span", { class: `swatch ${look(series, index)}`, "aria-hidden": "true" }), `${series.name} `, element("strong", {}, chart.text(at(series.points, x)[1]))),
  );
  return [element("span", { class: "quiet" }, `${chart.at} ${whole(Math.round(x))}`), ...values];
}

/**
 * A figure of series, at least one, each of at least one point with x in [0, lastX].
 * `chart` has `title`, `note` (a few words), `xLabel`, `at` (what an x is called), `series` of `{name, points, look}` (a class, or left out), `lastX`, `range` (or it is that of
 * the points with 0), `isStep`, `text(value)`, and `words`: what the chart says.
 */
export function seriesChart(chart) {
  const scale = scales(chart);
  const cursor = svg("line", { class: "cursor", y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, x1: -9, x2: -9 });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "line-chart", role: "img", "aria-label": chart.words }, frame(chart, scale), drawn(chart, scale), cursor);
  const caption = element("figcaption", { class: "readout" }, readout(chart, chart.lastX));
  const tell = (x, place) => {
    cursor.setAttribute("x1", place);
    cursor.setAttribute("x2", place);
    caption.replaceChildren(...readout(chart, x));
  };
  picture.addEventListener("pointermove", (event) => {
    const place = (event.offsetX / picture.clientWidth) * WIDTH;
    const x = ((place - MARGIN.left) / (WIDTH - MARGIN.left - MARGIN.right)) * chart.lastX;
    tell(Math.max(0, Math.min(chart.lastX, x)), Math.max(MARGIN.left, Math.min(WIDTH - MARGIN.right, place)));
  });
  picture.addEventListener("pointerleave", () => tell(chart.lastX, -9));
  return element("figure", { class: "series" }, element("h3", {}, chart.title, " ", element("span", { class: "quiet second" }, chart.note)), picture, caption);
}
