// The reward chart. SVG traces of plotly.js only: its WebGL traces would need eval, which the page forbids.

import { ap } from "./format.js";

// Each arm has a colour and a shape, so that colour never stands alone.
const ARMS = {
  policy: { color: "--arm-policy", symbol: "circle" },
  random: { color: "--arm-random", symbol: "diamond" },
  evolution: { color: "--arm-evolution", symbol: "square" },
};
const OTHER_ARM = { color: "--arm-other", symbol: "triangle-up" };
// Trials without a reward, or with one of a part of the training, stand in a lane below the axis: what was never trained
// at its lower edge.
const UNREWARDED = {
  infeasible: { symbol: "line-ns-open", color: "--quiet", size: 7, y: -0.5 },
  cancelled: { symbol: "line-ew-open", color: "--quiet", size: 7, y: -0.5 },
  failed: { symbol: "x-thin-open", color: "--bad", size: 8, y: 0.5 },
  stopped_early: { symbol: "triangle-down-open", color: "--quiet", size: 7, y: 0.5 },
  running: { symbol: "circle-open", color: "--accent", size: 7, y: 0.5 },
};
const MANY = 1000;

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function indices(history, wanted) {
  return history.number.map((_, index) => index).filter(wanted);
}

const pick = (values, kept) => kept.map((index) => values[index]);

function armTraces(history) {
  const arms = [...new Set(history.arm)].filter((arm) => arm !== "reference");
  return arms.map((arm) => {
    const kept = indices(history, (i) => history.arm[i] === arm && history.reward[i] !== null && history.state[i] !== "stopped_early");
    const look = ARMS[arm] ?? OTHER_ARM;
    return {
      name: arm,
      x: pick(history.number, kept),
      y: pick(history.reward, kept),
      type: "scatter",
      mode: "markers",
      marker: { color: color(look.color), symbol: look.symbol, size: history.number.length > MANY ? 4 : 7, opacity: 0.75 },
      hovertemplate: `trial %{x}<br>reward %{y:.3f}<extra>${arm in ARMS ? arm : "other"}</extra>`,
    };
  });
}

function lines(history) {
  const best = indices(history, (i) => history.best_so_far[i] !== null && history.arm[i] !== "reference");
  const mean = indices(history, (i) => history.smoothed[i] !== null);
  const line = { type: "scatter", mode: "lines", hoverinfo: "skip" };
  return [
    {
      ...line,
      name: `mean of last ${history.smoothed_over}`,
      x: pick(history.number, mean),
      y: pick(history.smoothed, mean),
      line: { color: color("--mean"), width: 1.5 },
    },
    {
      ...line,
      name: "best so far",
      x: pick(history.number, best),
      y: pick(history.best_so_far, best),
      line: { color: color("--text"), width: 2, shape: "hv" },
    },
  ];
}

function unrewardedTraces(history) {
  return Object.entries(UNREWARDED).flatMap(([state, look]) => {
    const kept = indices(history, (i) => history.state[i] === state && history.arm[i] !== "reference");
    if (kept.length === 0) return [];
    return {
      name: state.replaceAll("_", " "),
      x: pick(history.number, kept),
      y: kept.map(() => look.y),
      yaxis: "y2",
      type: "scatter",
      mode: "markers",
      opacity: kept.length > MANY ? 0.35 : 1,
      marker: { symbol: look.symbol, size: look.size, color: color(look.color), line: { color: color(look.color), width: 1.2 } },
      text: kept.map((index) => (history.reward[index] === null ? "" : `<br>reward ${ap(history.reward[index])}`)),
      hovertemplate: `trial %{x}%{text}<extra>${state.replaceAll("_", " ")}</extra>`,
    };
  });
}

/** A ring around the trial whose architecture is shown on the page. */
function selectionTrace(history, selected) {
  const index = history.number.indexOf(selected);
  if (index < 0 || history.reward[index] === null || history.state[index] === "stopped_early") return [];
  return [
    {
      x: [selected],
      y: [history.reward[index]],
      type: "scatter",
      mode: "markers",
      showlegend: false,
      hoverinfo: "skip",
      marker: { symbol: "circle-open", size: 15, color: color("--accent"), line: { color: color("--accent"), width: 2 } },
    },
  ];
}

function layout(metric, hasReward) {
  const font = { family: "system-ui, sans-serif", size: 12, color: color("--text") };
  const axis = { gridcolor: color("--rule"), zeroline: false, linecolor: color("--rule"), tickcolor: color("--rule") };
  return {
    font,
    paper_bgcolor: "transparent",
    plot_bgcolor: "transparent",
    margin: { l: 56, r: 12, t: 8, b: 44 },
    height: 380,
    uirevision: "keep",
    hovermode: "closest",
    hoverlabel: { bgcolor: color("--raised"), bordercolor: color("--rule"), font },
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom" },
    xaxis: { ...axis, title: { text: "Trial", standoff: 6 }, anchor: "y2", rangemode: "tozero", hoverformat: "d", tickformat: "d" },
    yaxis: { ...axis, title: { text: `Reward (${metric} on the reward split)` }, domain: [0.14, 1], ...(hasReward ? { rangemode: "tozero" } : { range: [0, 1] }) },
    yaxis2: { domain: [0, 0.1], range: [-1, 1], visible: false, fixedrange: true },
  };
}

const CONFIG = { responsive: true, displayModeBar: false };

/**
 * Draws the history with a ring around trial `selected`; keeps the zoom of an earlier drawing.
 * `onPick(number)` is called for a trial clicked.
 */
export async function drawChart(node, history, metric, selected, onPick) {
  const isFirst = node.dataset.drawn === undefined;
  const traces = [...armTraces(history), ...lines(history), ...unrewardedTraces(history), ...selectionTrace(history, selected)];
  const hasReward = history.reward.some((reward) => reward !== null);
  await window.Plotly.react(node, traces, layout(metric, hasReward), CONFIG);
  if (isFirst) {
    node.dataset.drawn = "yes";
    node.on("plotly_click", (click) => onPick(click.points[0].x));
  }
  node.setAttribute("aria-label", describe(history));
}

/** The chart in words. */
function describe(history) {
  const best = history.best_so_far.at(-1) ?? null;
  if (best === null) return `Reward of each trial: ${history.num_trials} trials, none with a reward`;
  const number = history.number[history.best_so_far.indexOf(best)];
  return `Reward of each trial: ${history.num_trials} trials, the best reward ${ap(best)} at trial ${number}`;
}
