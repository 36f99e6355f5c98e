// Accuracy against cost: every trial, the Pareto front, the budget and the references.

import { said } from "./address.js";
import { byId } from "./dom.js";
import { amount, ap, costText } from "./format.js";
import { ABOVE_LANE, axis, color, LANE, layout } from "./plotly_look.js";
import { armTraces, laneTraces, ringTrace } from "./reward_traces.js";
import { drawTrials, selections, zoomOf } from "./trial_chart.js";

const ID = "cost-chart";
const TITLES = {
  multiply_adds: "Multiply-adds of the backbone at target size",
  parameters: "Parameters of the backbone at target size",
  latency_ms: "Latency of the target's whole network, ms",
};

/** What the chart is drawn against: a key of `TITLES`. */
export const costColumn = () => (said("cost") in TITLES ? said("cost") : "multiply_adds");

const errors = (points) => ({ type: "data", array: points.map((point) => point.val_standard_error ?? 0), thickness: 1.2, width: 3 });

function frontTraces({ points, cost }) {
  const line = { x: points.map((point) => point.cost), y: points.map((point) => point.average_precision), type: "scatter", hoverinfo: "skip" };
  const front = { ...line, name: "Pareto front", mode: "lines", line: { color: color("--text"), width: 2, shape: "hv" } };
  const measured = points.filter((point) => point.val_average_precision !== null);
  if (measured.length === 0) return [front];
  return [front, valTrace(measured, "front, AP on val", "square-open", color("--text"), (point) => `trial ${point.number}`, cost)];
}

/** Means on val with their standard errors. */
function valTrace(points, name, symbol, ink, label, cost) {
  return {
    name,
    x: points.map((point) => point.cost),
    y: points.map((point) => point.val_average_precision),
    error_y: { ...errors(points), color: ink },
    text: points.map((point) => `${label(point)}<br>${ap(point.val_average_precision)} ± ${ap(point.val_standard_error)} on val<br>${costText(cost, point.cost)}`),
    customdata: points.map((point) => point.number ?? null),
    type: "scatter",
    mode: "markers",
    unselected: { marker: { opacity: 1 } },
    marker: { symbol, size: 9, color: ink, line: { color: ink, width: 1.6 } },
    hovertemplate: "%{text}<extra></extra>",
  };
}

function referenceTraces({ references, cost }) {
  const measured = references.filter((reference) => reference.val_average_precision !== null);
  return measured.length === 0 ? [] : [valTrace(measured, "references, AP on val", "star-diamond", color("--wait"), (reference) => reference.name, cost)];
}

/** The budget as a band, a line for each target of a front, and one for each reference: its cost is known before it is
 * trained. */
function shapes({ budget, targets, references }) {
  const tall = { yref: "paper", y0: ABOVE_LANE[0], y1: 1, layer: "below" };
  const line = (x, look) => ({ ...tall, type: "line", x0: x, x1: x, line: { width: 1, ...look } });
  const lines = [
    ...targets.map((target) => line(target, { color: color("--quiet") })),
    ...references.map((reference) => line(reference.cost, { color: color("--wait"), dash: "dot" })),
  ];
  if (budget === null) return lines;
  return [...lines, { ...tall, type: "rect", x0: budget.low, x1: budget.high, line: { width: 0 }, fillcolor: color("--budget") }];
}

function labels({ references, budget, targets }) {
  const place = { y: ABOVE_LANE[0], yref: "paper", yanchor: "bottom", xanchor: "left", textangle: -90 };
  const look = { showarrow: false, bgcolor: color("--label-ground"), borderpad: 1 };
  const text = (x, name, ink) => ({ ...place, ...look, x, text: name, font: { size: 11, color: ink } });
  const named = references.map((reference) => text(reference.cost, reference.name, color("--wait")));
  return budget === null ? named : [...named, { ...text(budget.low, targets.length > 0 ? `${targets.length} targets` : "budget", color("--quiet")), y: 1, textangle: 0 }];
}

function axes(pareto, metric) {
  const zoom = zoomOf(`${ID}-zoom`);
  return {
    xaxis: axis(TITLES[pareto.cost], { anchor: "y2", exponentformat: "SI", ...zoom.x }),
    yaxis: axis(`${metric} on the reward split`, { domain: ABOVE_LANE, rangemode: "tozero", ...zoom.y }),
    yaxis2: LANE,
  };
}

function words({ points, cost }) {
  if (points.length === 0) return "Average precision against cost: nothing on the front yet";
  const best = points.at(-1);
  const [least] = points;
  const name = { parameters: "parameters", latency_ms: "latency" }[cost] ?? "multiply-adds";
  const at = (point) => `${ap(point.average_precision)} at ${cost === "latency_ms" ? costText(cost, point.cost) : amount(point.cost)}`;
  const end = points.length > 1 ? ` to ${at(best)}` : "";
  return `Average precision against ${name}: ${points.length} on the Pareto front, from ${at(least)}${end}`;
}

/** What is shaded: nothing where the axis is not that of the budget. */
export function shadeWords({ budget, targets }) {
  if (budget === null) return "";
  return targets.length > 0 ? "The shaded band is the range of the front, with a line for each target." : "The shaded band is the budget.";
}

/** Draws a view (`search_view.js`) over the answer of `/pareto`. */
export async function drawCosts(view, pareto, acts) {
  const { history, chosen, brush } = view;
  const column = pareto.cost;
  const hover = "trial %{customdata}<br>%{x:.3s}";
  const traces = [
    ...armTraces(history, chosen, column, `${hover}<br>reward %{y:.3f}`),
    ...laneTraces(history, chosen, column, hover, false),
    ...frontTraces(pareto),
    ...referenceTraces(pareto),
    ...ringTrace(history, view.shown, column),
  ];
  const drawn = layout(380, {
    uirevision: column,
    ...axes(pareto, view.metric),
    legend: { orientation: "h", x: 0, y: 1.07, yanchor: "bottom" },
    shapes: shapes(pareto),
    annotations: labels(pareto),
    selections: selections(brush, column, "reward"),
  });
  const onBrush = (ranges) => acts.onBrush(ranges && { [column]: ranges.x, reward: ranges.y });
  await drawTrials(ID, traces, drawn, { ...acts, onBrush });
  byId(ID).setAttribute("aria-label", words(pareto));
}
