// The traces of the reward chart.

import { lookOf, ARMS, UNREWARDED } from "./arms.js";
import { ap } from "./format.js";
import { color } from "./plotly_look.js";

const MANY = 1000;
const pick = (values, kept) => kept.map((index) => values[index]);
const isReference = (history, index) => history.arm[index] === "reference";

/** Places in the history that are wanted; references never are. */
function indices(history, wanted) {
  return history.number.map((_, index) => index).filter((index) => !isReference(history, index) && wanted(index));
}

/** Places among `kept` of what is brushed; null for no brush. */
function selectedPoints(kept, chosen) {
  return chosen === null ? null : kept.flatMap((index, place) => (chosen.has(index) ? [place] : []));
}

/** What all dots of trials have in common: trial numbers for a click, and what a brush does to them. */
function dots(history, kept, chosen) {
  const faint = { marker: { opacity: 0.12 } };
  return { customdata: pick(history.number, kept), type: "scatter", mode: "markers", selectedpoints: selectedPoints(kept, chosen), unselected: faint };
}

/** Trials with a reward by arm, over a column of the history. */
export function armTraces(history, chosen, column, hover) {
  const hasReward = (index) => history.reward[index] !== null && history.state[index] !== "stopped_early" && history[column][index] !== null;
  const arms = [...new Set(history.arm)].filter((arm) => arm !== "reference");
  return arms.map((arm) => {
    const kept = indices(history, (index) => history.arm[index] === arm && hasReward(index));
    const look = lookOf(arm);
    return {
      ...dots(history, kept, chosen),
      name: arm.replaceAll("_", " "),
      x: pick(history[column], kept),
      y: pick(history.reward, kept),
      marker: { color: color(look.color), symbol: look.symbol, size: history.number.length > MANY ? 4 : 7, opacity: 0.75 },
      hovertemplate: `${hover}<extra>${arm in ARMS ? arm.replace("_", " ") : "other"}</extra>`,
    };
  });
}

/** Trials without a comparable reward, in the lane below, over a column of the history. */
export function laneTraces(history, chosen, column, hover, isInLegend = true) {
  return Object.entries(UNREWARDED).flatMap(([state, look]) => {
    const kept = indices(history, (index) => history.state[index] === state && history[column][index] !== null);
    if (kept.length === 0) return [];
    const name = state.replaceAll("_", " ");
    return {
      ...dots(history, kept, chosen),
      name,
      x: pick(history[column], kept),
      y: kept.map(() => look.y),
      yaxis: "y2",
      showlegend: isInLegend,
      opacity: kept.length > MANY ? 0.35 : 1,
      marker: { symbol: look.symbol, size: look.size, color: color(look.color), line: { color: color(look.color), width: 1.2 } },
      text: kept.map((index) => (history.reward[index] === null ? "" : `<br>reward ${ap(history.reward[index])}`)),
      hovertemplate: `${hover}%{text}<extra>${name}</extra>`,
    };
  });
}

const line = { type: "scatter", mode: "lines", hoverinfo: "skip" };

/** Smoothed mean and best so far, with the noise of one training around the mean where it is known. */
export function lineTraces(history, noise) {
  const best = indices(history, (index) => history.best_so_far[index] !== null);
  const kept = indices(history, (index) => history.smoothed[index] !== null);
  const [x, mean] = [pick(history.number, kept), pick(history.smoothed, kept)];
  const edge = { ...line, x, line: { width: 0 }, showlegend: false, legendgroup: "noise" };
  const band = noise && [
    { ...edge, y: mean.map((value) => Math.max(0, value - noise.deviation)) },
    { ...edge, y: mean.map((value) => value + noise.deviation), fill: "tonexty", fillcolor: color("--band"), showlegend: true, name: "noise of one training" },
  ];
  return [
    ...(band ?? []),
    { ...line, name: `mean of last ${history.smoothed_over}`, x, y: mean, line: { color: color("--mean"), width: 1.5 } },
    { ...line, name: "best so far", x: pick(history.number, best), y: pick(history.best_so_far, best), line: { color: color("--text"), width: 2, shape: "hv" } },
  ];
}

/** A ring around the trial whose architecture is shown on the page. */
export function ringTrace(history, number, column) {
  const index = history.number.indexOf(number);
  if (index < 0 || history.reward[index] === null || history.state[index] === "stopped_early") return [];
  const marker = { symbol: "circle-open", size: 15, color: color("--accent"), line: { color: color("--accent"), width: 2 } };
  const look = { type: "scatter", mode: "markers", showlegend: false, hoverinfo: "skip", marker, unselected: { marker: { opacity: 1 } } };
  return [{ ...look, x: [history[column][index]], y: [history.reward[index]] }];
}
