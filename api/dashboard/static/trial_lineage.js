// Where an architecture comes from.

import { element } from "./dom.js";
import { ap, signed } from "./format.js";

const trialLink = (searchId, number) => element("a", { href: `/searches/${encodeURIComponent(searchId)}/trials/${number}` }, `trial ${number}`);

function parentItem(searchId, trial, parent) {
  const gain = trial.reward === null || parent.reward === null ? "" : `, so ${signed(trial.reward - parent.reward)} here`;
  const compare = element("a", { href: `?with=${parent.number}` }, "compare");
  return element("li", {}, trialLink(searchId, parent.number), ` (${parent.arm}, reward ${ap(parent.reward)}${gain}) – `, compare);
}

/** Parents with what they were worth, edits, and the trial whose reward was taken; in words where there are none. */
export function lineage(searchId, trial, parents) {
  const source = trial.reused_from;
  const parts = [];
  if (source) {
    const place = source.search === searchId ? "" : ` of ${source.search}`;
    parts.push(element("p", {}, "The same network was measured before: reward and AP are those of ", trialLink(source.search, source.trial), `${place}.`));
  }
  if (parents.length > 0) parts.push(element("p", {}, "Made from"), element("ul", {}, parents.map((parent) => parentItem(searchId, trial, parent))));
  if (trial.edits.length > 0) parts.push(element("p", {}, "by"), element("ol", {}, trial.edits.map((edit) => element("li", {}, edit))));
  if (parts.length > 0) return parts;
  const origin = trial.arm === "reference" ? "A published architecture, measured like those found." : `Sampled by ${trial.arm}, from no other trial.`;
  return [element("p", { class: "quiet" }, origin)];
}
