// What the best architectures took, as parallel coordinates: an axis for each decision, a line for each architecture.

import { amount, ap } from "./format.js";
import { svg, titled } from "./svg.js";

const [WIDTH, HEIGHT] = [1100, 320];
const MARGIN = { left: 100, right: 50, top: 30, bottom: 16 };
const RANKS = 5;
// Lines through the same option lie side by side, over this share of its room.
const BUNDLE = 0.6;

const height = HEIGHT - MARGIN.top - MARGIN.bottom;

/** "from level 4, 6 or more blocks before" as "L4, 6+ back": there is little room at an axis. */
function shortLabel(label) {
  const pairs = [["from level ", "L"], [" or more blocks before", "+ back"], ["the block before", "1 back"], [" blocks before", " back"]];
  return pairs.reduce((text, [long, short]) => text.replace(long, short), label);
}

/** An axis of a decision: the options that any of the best took, evenly, in their order. */
function decisionAxis(decision, place, best) {
  const taken = [...new Set(best.map((each) => each.options[place]))].sort((one, other) => one - other);
  const room = height / taken.length;
  const bundle = (rank) => (best.length > 1 ? (rank / (best.length - 1) - 0.5) * BUNDLE * room : 0);
  const middle = (option) => MARGIN.top + (taken.indexOf(option) + 0.5) * room;
  return {
    name: decision.label,
    y: (each, rank) => middle(each.options[place]) + bundle(rank),
    ticks: taken.map((option) => ({ y: middle(option), text: shortLabel(decision.options[option].label) })),
  };
}

function rewardAxis(best) {
  const [high, low] = [best[0].reward, best.at(-1).reward];
  const y = (reward) => MARGIN.top + ((high - reward) / (high - low || 1)) * height;
  return { name: "reward", y: (each) => y(each.reward), ticks: [high, ...(low < high ? [low] : [])].map((reward) => ({ y: y(reward), text: ap(reward) })) };
}

function drawAxis({ name, ticks }, x, isLast) {
  const side = isLast ? { x: x + 8 } : { x: x - 8, class: "end" };
  const texts = ticks.map(({ y, text }) => svg("text", { ...side, y: y + 4 }, text));
  return svg("g", { class: "axis" }, svg("line", { x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom }), svg("text", { class: "middle name", x, y: 14 }, name), texts);
}

/**
 * The picture of `best`, trials best first, over decisions, each with its `place` among all; null without either.
 * `onPick(number)` is called for a line clicked.
 */
export function choiceLines(decisions, best, onPick) {
  if (best.length === 0 || decisions.length === 0) return null;
  const axes = [...decisions.map(({ decision, place }) => decisionAxis(decision, place, best)), rewardAxis(best)];
  const across = (place) => MARGIN.left + (place / (axes.length - 1)) * (WIDTH - MARGIN.left - MARGIN.right);
  const lines = best.map((each, rank) => {
    const d = axes.map((axis, place) => `${place === 0 ? "M" : "L"}${across(place).toFixed(0)},${axis.y(each, rank).toFixed(1)}`).join("");
    const look = `rank-${RANKS - Math.floor((rank * RANKS) / best.length)}`;
    return svg("path", { class: look, d, onclick: () => onPick(each.number) }, titled(`trial ${each.number}, reward ${ap(each.reward)}`));
  });
  const words = `What the best ${amount(best.length)} took in ${decisions.length} decisions: ${decisions.map(({ decision }) => decision.label).join(", ")}`;
  const drawn = axes.map((axis, place) => drawAxis(axis, across(place), place === axes.length - 1));
  return svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "parallel choice-lines", role: "img", "aria-label": words }, lines.reverse(), drawn);
}
