// The reward of each trial.

import { byId } from "./dom.js";
import { ap } from "./format.js";
import { ABOVE_LANE, axis, LANE, layout } from "./plotly_look.js";
import { armTraces, laneTraces, lineTraces, ringTrace } from "./reward_traces.js";
import { drawTrials, selections, zoomOf } from "./trial_chart.js";

const ID = "chart";

/** The chart in words. */
function words(history) {
  const best = history.best_so_far.at(-1) ?? null;
  if (best === null) return `Reward of each trial: ${history.num_trials} trials, none with a reward`;
  const number = history.number[history.best_so_far.indexOf(best)];
  return `Reward of each trial: ${history.num_trials} trials, the best reward ${ap(best)} at trial ${number}`;
}

function axes(metric, history) {
  const zoom = zoomOf(`${ID}-zoom`);
  const hasReward = history.reward.some((reward) => reward !== null);
  return {
    xaxis: axis("Trial", { anchor: "y2", rangemode: "tozero", hoverformat: "d", tickformat: "d", ...zoom.x }),
    yaxis: axis(`Reward (${metric} on the reward split)`, { domain: ABOVE_LANE, ...(hasReward ? { rangemode: "tozero" } : { range: [0, 1] }), ...zoom.y }),
    yaxis2: LANE,
  };
}

/** Draws a view (`search_view.js`) with a ring around the trial that is shown. */
export async function drawRewards(view, acts) {
  const { history, brush, chosen } = view;
  const hover = "trial %{customdata}";
  const traces = [
    ...lineTraces(history, view.noise),
    ...armTraces(history, chosen, "number", `${hover}<br>reward %{y:.3f}`),
    ...laneTraces(history, chosen, "number", hover),
    ...ringTrace(history, view.shown, "number"),
  ];
  const onBrush = (ranges) => acts.onBrush(ranges && { number: ranges.x, reward: ranges.y });
  await drawTrials(ID, traces, layout(380, { ...axes(view.metric, history), selections: selections(brush, "number", "reward") }), { ...acts, onBrush });
  byId(ID).setAttribute("aria-label", words(history));
}
