// The best reward so far of several searches, on one chart. SVG traces of plotly.js only.

import { axis, color, CONFIG, layout, plotly, zoomText } from "./plotly_look.js";

const HOUR = 3600;
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const NUM_COLORS = 6;

const AXES = {
  trials: { title: "Trainings", of: (point) => point.trained, hover: "training %{x:d}" },
  hours: { title: "Hours since the start", of: (point) => point.seconds / HOUR, hover: "%{x:.2f} h" },
  cost: { title: "Cost", of: (point, price) => point.trained * price, hover: "%{x:.2f}" },
};

/** A colour and a dash for each place, so that colour never stands alone. */
export const lookOf = (index) => ({ name: `--line-${(index % NUM_COLORS) + 1}`, dash: DASHES[index % DASHES.length] });

function trace(course, label, index, unit, price) {
  const { name, dash } = lookOf(index);
  const { of, hover } = AXES[unit];
  const points = [...course.steps, { ...course.steps.at(-1), trained: course.trained, seconds: course.seconds }];
  return {
    name: label,
    x: points.map((point) => of(point, price)),
    y: points.map((point) => point.reward),
    text: points.map((point) => `trial ${point.trial}`),
    type: "scatter",
    mode: "lines+markers",
    line: { color: color(name), dash, width: 2, shape: "hv" },
    marker: { color: color(name), size: 5 },
    hovertemplate: `%{y:.3f}, ${hover}, %{text}<extra>%{fullData.name}</extra>`,
  };
}

function axes(title, zoom) {
  const range = (ends) => (ends ? { range: ends } : { rangemode: "tozero" });
  return { showlegend: true, xaxis: axis(title, range(zoom?.x)), yaxis: axis("Best reward so far", range(zoom?.y)) };
}

/**
 * Draws the courses, each with its label, against `trials`, `hours` or `cost`; `onZoom(text)` is called when the zoom changes.
 * `prices` are what a training of each has cost, in `currency`; a search without one (null) is left out against cost.
 */
export async function drawCourses(node, { courses, labels, prices, currency, unit, zoom }, onZoom) {
  const isDrawn = (index) => courses[index].steps.length > 0 && (unit !== "cost" || prices[index] !== null);
  const traces = courses.flatMap((course, index) => (isDrawn(index) ? trace(course, labels[index], index, unit, prices[index]) : []));
  const title = unit === "cost" ? `Cost (${currency})` : AXES[unit].title;
  const { react } = await plotly();
  const isFirst = node.dataset.drawn === undefined;
  node.dataset.drawn = "yes";
  await react(node, traces, layout(400, axes(title, zoom)), CONFIG);
  if (isFirst) node.on("plotly_relayout", () => onZoom(zoomText(node)));
}
