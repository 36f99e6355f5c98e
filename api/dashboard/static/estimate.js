// What a search would take, in words.

import { element } from "./dom.js";
import { amount, duration, whole } from "./format.js";

const percent = (share) => `${(100 * share).toFixed(share < 0.095 ? 1 : 0)} %`;

/** "about 3 h 12 min (2 h 50 min to 3 h 30 min)" */
function hours(forecast) {
  const text = (value) => duration(value * 3600);
  const range = forecast.low === null ? "" : ` (${text(forecast.low)} to ${text(forecast.high)})`;
  return `about ${text(forecast.value)}${range}`;
}

const money = (forecast, currency) => {
  const range = forecast.low === null ? "" : ` (${forecast.low.toFixed(2)} to ${forecast.high.toFixed(2)})`;
  return `about ${forecast.value.toFixed(2)}${range} ${currency}`;
};

const past = ({ count, seconds, deviation }) =>
  `from ${count} such training${count === 1 ? "" : "s"} here, ${duration(seconds)}${deviation === null ? "" : ` ± ${duration(deviation)}`} each`;

const architectures = (count) => (count < 1e6 ? whole(Math.round(count)) : ["about 10", element("sup", {}, String(Math.floor(Math.log10(count))))]);

/** Rows of name, value, note. */
function rows(estimate) {
  const { inside_budget: inside, target_cost: target, proxy_cost: proxy } = estimate;
  const found = [
    ["Trainings", whole(estimate.trainings), `at most, ${estimate.concurrent} at a time; the last ones on val`],
    ...(estimate.timings ? [["Latencies", whole(estimate.timings), "at most, measured before the trainings; not in the time below"]] : []),
    ["Time", estimate.hours ? hours(estimate.hours) : "not known yet", estimate.history ? past(estimate.history) : estimate.no_history],
  ];
  if (estimate.cost) found.push(["Cost", money(estimate.cost, estimate.currency), ""]);
  found.push(["Space", architectures(estimate.space.architectures), "different architectures"]);
  found.push(["Inside the budget", percent(inside.value), `of random ones (${percent(inside.low)} to ${percent(inside.high)}, ${inside.draws} drawn)`]);
  if (target) found.push(["Multiply-adds", amount(target.backbone_multiply_adds.mean), "mean backbone inside the budget, at target size"]);
  if (proxy) found.push(["As trained", amount(proxy.detector_multiply_adds.mean), "multiply-adds with head, mean"]);
  return found;
}

/** The estimate as a list. */
export const estimateList = (estimate) =>
  element("dl", { class: "estimate" }, rows(estimate).map(([name, value, note]) => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("span", { class: "quiet second" }, note)))));
