// What a search's page shows at one moment, and the drawing of it. A brush picks trials out in every chart and the table.

import { remember, said } from "./address.js";
import { brushed, brushWords, inside, keepBrush } from "./brush.js";
import { drawCosts, shadeWords } from "./cost_chart.js";
import { byId, element, fill, show } from "./dom.js";
import { ap, whole } from "./format.js";
import { seedNoise } from "./noise.js";
import { parallelChart } from "./parallel_chart.js";
import { drawRewards } from "./reward_chart.js";
import { isPicking } from "./trial_chart.js";

const METRICS = { ap: "AP", ap50: "AP50" };

function metricOf({ metric, targets }) {
  return targets.length ? `reward (${METRICS[metric]} by cost)` : METRICS[metric];
}

/** A view of nothing yet. `chosen`: places in the history of what is brushed, null for no brush; `shown`: number of a trial. */
export const emptyView = () => ({ search: null, history: null, best: null, pareto: null, workers: null, failures: null, brush: null, chosen: null, noise: null, shown: 0, metric: "AP" });

/** Takes what was looked up. */
export function update(view, search, history, best) {
  Object.assign(view, { search, history, best, noise: seedNoise(best), metric: metricOf(search.config.reward) });
  rebrush(view);
}

function rebrush(view) {
  view.brush = brushed();
  view.chosen = inside(view.history, view.brush);
}

function noiseWords({ noise }) {
  if (noise === null) return "A band for the noise of one training appears once architectures were trained with several seeds.";
  const { deviation, architectures, trainings } = noise;
  const count = architectures === 1 ? "one architecture" : `${architectures} architectures`;
  return `The band is ± ${ap(deviation)} around that mean: the standard deviation over seeds of ${count} trained ${trainings} times in all, on val. A lead within it may be luck.`;
}

function showBrush(view, acts) {
  const isOn = view.chosen !== null;
  show("brushed", isOn);
  if (!isOn) return;
  const button = element("button", { type: "button", onclick: () => acts.onBrush(null) }, "Show all again");
  fill(byId("brushed"), element("strong", {}, `${whole(view.chosen.size)} picked out`), ` by ${brushWords(view.brush)}. `, element("a", { href: "#trials" }, "In the table"));
  byId("brushed").append(" ", button);
}

function drawParallel(view, acts) {
  const onRange = (column, range) => {
    const { [column]: _, ...others } = view.brush ?? {};
    acts.onBrush(range === null ? others : { ...others, [column]: range });
  };
  const picture = parallelChart(view, onRange);
  byId("parallel").replaceChildren(picture ?? element("p", { class: "empty" }, "Lines appear here once trials have a reward."));
}

/** Latencies are shown where the search measures them. */
function showTimed(isTimed) {
  byId("cost-latency").hidden = !isTimed;
  for (const id of ["best", "all-trials"]) byId(id).classList.toggle("is-timed", isTimed);
}

/** Draws all charts of trials; `acts` is as for `drawTrials`. */
export async function draw(view, acts) {
  const hasTrials = view.history.num_trials > 0;
  showTimed(Boolean(view.search.config.latency));
  show("chart", hasTrials);
  show("chart-empty", !hasTrials);
  byId("smoothed-over").textContent = view.history.smoothed_over;
  byId("noise-words").textContent = noiseWords(view);
  showBrush(view, acts);
  if (hasTrials) await drawRewards(view, acts);
}

/** Draws the charts that take longer, and that change little from one trial to the next. */
export async function drawMore(view, acts) {
  drawParallel(view, acts);
  const hasFront = view.pareto !== null && view.history.num_trials > 0;
  show("cost-chart", hasFront);
  show("cost-empty", view.pareto !== null && !hasFront);
  if (view.pareto !== null) byId("cost-shade").textContent = shadeWords(view.pareto);
  if (hasFront) await drawCosts(view, view.pareto, acts);
}

/** Picks trials out by ranges; null shows all again. */
export function pickOut(view, ranges) {
  keepBrush(ranges);
  remember("after", null);
  rebrush(view);
}

/** Ties what a drag does to the address. */
export function bindDrag(again) {
  for (const radio of document.querySelectorAll('input[name="drag"]')) {
    radio.checked = (radio.value === "pick") === isPicking();
    radio.addEventListener("change", () => {
      remember("drag", radio.value === "pick" ? "pick" : null);
      again();
    });
  }
}

/** Ties a choice that the address keeps to a select; `first` is what stands there without one. */
export function bindChoice(id, name, first, again) {
  byId(id).value = said(name) ?? first;
  byId(id).addEventListener("change", ({ target }) => {
    remember(name, target.value === first ? null : target.value);
    again();
  });
}
