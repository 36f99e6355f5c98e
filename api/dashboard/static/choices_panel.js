// What the good ones have in common: options and motifs among the best against the rest, and which decisions matter.

import { element } from "./dom.js";
import { ap, NONE } from "./format.js";
import { heatMap } from "./heat_map.js";
import { bar, number, table, word } from "./table.js";

const MOST_SHOWN = 12;
const MOST_MOTIFS = 8;
// The service adjusts these chances for how many motifs were compared.
const SURE = 0.05;
const percent = (share) => `${Math.round(100 * share)} %`;
const points = (difference) => `${difference < 0 ? "−" : "+"}${Math.round(100 * Math.abs(difference))}`;
const share = (count, whole) => (whole > 0 ? count / whole : 0);

/** Shares of an option among the best and among the rest. */
function shares(decision, option) {
  const top = decision.options.reduce((sum, each) => sum + each.top_count, 0);
  const rewarded = decision.options.reduce((sum, each) => sum + each.rewarded, 0);
  return { top: share(option.top_count, top), rest: share(option.rewarded - option.top_count, rewarded - top) };
}

/** The option that stands out most among the best, of a decision that has some. */
function favourite(decision) {
  const gains = decision.options.map((option) => {
    const { top, rest } = shares(decision, option);
    return { option, top, rest, gain: top - rest };
  });
  return gains.reduce((most, each) => (each.gain > most.gain ? each : most));
}

/** Decisions by what they explain of the rewards, most first; of those alike, the one whose favourite stands out most. */
export function byImportance(decisions) {
  const ranked = decisions.filter(({ options }) => options.length > 0).map((decision) => ({ decision, importance: decision.importance ?? 0, gain: favourite(decision).gain }));
  return ranked.sort((one, other) => other.importance - one.importance || other.gain - one.gain).map(({ decision }) => decision);
}

const withBar = (value) => [percent(value), bar(value)];

function decisionRow(decision, chosen, onChoose) {
  const { option, top, rest } = favourite(decision);
  const isChosen = decision === chosen;
  const name = element("button", { type: "button", id: `decision ${decision.label}`, class: "link", "aria-pressed": String(isChosen), onclick: () => onChoose(decision) }, decision.label);
  return [name, decision.importance === null ? NONE : withBar(decision.importance), option.label, withBar(top), withBar(rest)];
}

/** A table of the decisions that matter most; a click shows one. */
export function decisionTable(decisions, top, chosen, onChoose) {
  const head = [word("Decision"), number("Explains", "share of the variance of rewards, noise taken off"), word("Stands out"), number(`best ${top}`), number("the rest")];
  const shown = byImportance(decisions).slice(0, MOST_SHOWN);
  return table(head, shown.map((decision) => decisionRow(decision, chosen, onChoose)), "Decisions by importance");
}

function reward({ mean_reward: mean, standard_error: error }) {
  if (mean === null) return NONE;
  return error === null ? ap(mean) : `${ap(mean)} ± ${error.toFixed(3)}`;
}

/** The options of a decision that were taken most, in their order. */
function mostTaken({ options }) {
  const most = new Set([...options].sort((one, other) => other.asked - one.asked).slice(0, MOST_SHOWN));
  return options.filter((option) => most.has(option));
}

const leftOut = ({ options }) => (options.length > MOST_SHOWN ? element("p", { class: "quiet" }, `${options.length - MOST_SHOWN} options that were taken less often are left out.`) : null);

/** Every option of one decision. */
export function optionTable(decision, top) {
  const head = [word("Option"), number(`best ${top}`), number("the rest"), number("Mean reward"), number("Asked"), number("Rewarded")];
  const rows = mostTaken(decision).map((option) => {
    const found = shares(decision, option);
    return [option.label, withBar(found.top), withBar(found.rest), reward(option), String(option.asked), String(option.rewarded)];
  });
  return [table(head, rows, `Options of ${decision.label}`), leftOut(decision)];
}

/** How often each option of a decision was taken, over time; null before anything was. */
export function choiceMap(decision, buckets) {
  if (buckets.length === 0) return null;
  return heatMap(mostTaken(decision), buckets, `How often options of ${decision.label} were taken, over ${buckets.length} runs of trials`);
}

/** Connections that the best have more or less often than the rest, the surest first. */
export function motifTable(motifs, top) {
  const head = [word("Connection"), number(`best ${top}`), number("the rest"), number("difference", "in points, with its 95 % interval")];
  const rows = motifs.slice(0, MOST_MOTIFS).map(({ label, top_share: best, rest_share: rest, difference, interval, p_value: chance }) => {
    const note = chance > SURE ? "may be chance" : "";
    return [label.replace("->", "→"), withBar(best), withBar(rest), [`${points(difference)} (${interval.map(points).join(" to ")})`, element("span", { class: "quiet second" }, note)]];
  });
  return table(head, rows, "Motifs");
}
