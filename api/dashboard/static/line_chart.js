// A small line chart with axes, as SVG of our own. Its points are written out for those who do not see it.

import { svg } from "./svg.js";

const [WIDTH, HEIGHT] = [440, 210];
const MARGIN = { left: 46, right: 14, top: 10, bottom: 38 };
const TICKS = 4;

/** Round numbers from 0 to at least `highest`, about `TICKS` of them. */
export function ticks(highest) {
  const rough = highest / TICKS;
  const size = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * size).find((candidate) => candidate >= rough * 0.999);
  return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, index) => index * step);
}

const label = (value, step) => value.toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));

/**
 * A figure of (x, y) points, at least one, all at least 0.
 * `chart` has `title`, `xLabel`, `yLabel`, `points`, `lastX`, `hasDots`, and `words`: what the chart says.
 */
export function lineChart(chart) {
  const highest = Math.max(...chart.points.map(([, y]) => y)) || 1;
  const [xTicks, yTicks] = [ticks(chart.lastX), ticks(highest)];
  const [right, top] = [Math.max(chart.lastX, xTicks.at(-2)), yTicks.at(-1)];
  const across = (x) => MARGIN.left + (x / right) * (WIDTH - MARGIN.left - MARGIN.right);
  const up = (y) => HEIGHT - MARGIN.bottom - (y / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const bottom = up(0);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "line-chart", role: "img", "aria-label": chart.words });
  for (const y of yTicks) {
    picture.append(svg("line", { class: "grid", x1: across(0), x2: across(right), y1: up(y), y2: up(y) }));
    picture.append(svg("text", { x: MARGIN.left - 6, y: up(y) + 4, class: "end" }, label(y, yTicks[1])));
  }
  for (const x of xTicks.filter((each) => each <= right)) picture.append(svg("text", { x: across(x), y: bottom + 16, class: "middle" }, label(x, xTicks[1])));
  picture.append(svg("text", { x: (across(0) + across(right)) / 2, y: HEIGHT - 5, class: "middle" }, chart.xLabel));
  const places = chart.points.map(([x, y]) => [across(x).toFixed(1), up(y).toFixed(1)]);
  picture.append(svg("polyline", { class: "line", points: places.map((place) => place.join(",")).join(" ") }));
  if (chart.hasDots) picture.append(...places.map(([cx, cy]) => svg("circle", { cx, cy, r: 3.5 })));
  const caption = document.createElement("figcaption");
  caption.textContent = chart.words;
  const title = document.createElement("h3");
  title.textContent = `${chart.title} (${chart.yLabel})`;
  const figure = document.createElement("figure");
  figure.append(title, picture, caption);
  return figure;
}
