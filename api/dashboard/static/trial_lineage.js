// Where an architecture comes from, and what was made from it.

import { getChildren, getTrial } from "./api.js";
import { explain, showBanner } from "./banner.js";
import { byId, element, fill } from "./dom.js";
import { ap, signed, whole } from "./format.js";
import { stateLabel } from "./state.js";

const trialLink = (searchId, number) => element("a", { href: `/searches/${encodeURIComponent(searchId)}/trials/${number}` }, `trial ${number}`);

/** Another trial with its reward, and how much `later` is above `earlier`; `place` says of which of them that is told. */
function relativeItem(searchId, relative, [earlier, later], place) {
  const difference = earlier.reward === null || later.reward === null ? "" : `, so ${signed(later.reward - earlier.reward)} ${place}`;
  const worth = relative.reward === null ? stateLabel(relative.state) : `reward ${ap(relative.reward)}${difference}`;
  const compare = element("a", { href: `?with=${relative.number}`, "aria-label": `Compare with trial ${relative.number}` }, "compare");
  return element("li", {}, trialLink(searchId, relative.number), ` (${relative.arm}, `, worth, ") – ", compare);
}

/** A parent, and how it was made itself. */
function parentItem(searchId, trial, parent) {
  const item = relativeItem(searchId, parent, [parent, trial], "here");
  if (parent.parents.length === 0) return item;
  const links = parent.parents.flatMap((number, index) => [index > 0 ? ", " : "", trialLink(searchId, number)]);
  item.append(element("span", { class: "quiet second" }, "itself made from ", links, `: ${parent.edits.join("; ")}`));
  return item;
}

/** Parents with what they were worth, edits, and the trial whose reward was taken; in words where there are none. */
function origin(searchId, trial, parents) {
  const source = trial.reused_from;
  const parts = [];
  if (source) {
    const place = source.search === searchId ? "" : ` of ${source.search}`;
    parts.push(element("p", {}, "The same network was measured before: reward and AP are those of ", trialLink(source.search, source.trial), `${place}.`));
  }
  if (parents.length > 0) parts.push(element("p", {}, "Made from"), element("ul", {}, parents.map((parent) => parentItem(searchId, trial, parent))));
  if (trial.edits.length > 0) parts.push(element("p", {}, "by"), element("ol", {}, trial.edits.map((edit) => element("li", {}, edit))));
  if (parts.length > 0) return parts;
  const words = trial.arm === "reference" ? "A published architecture, measured like those found." : `Sampled by ${trial.arm}, from no other trial.`;
  return [element("p", { class: "quiet" }, words)];
}

function children(searchId, trial, shown, total, more) {
  if (total === 0) return [];
  const button = element("button", { type: "button", onclick: more }, "Show more");
  return [
    element("p", {}, total === 1 ? "One trial was made from it:" : `${whole(total)} trials were made from it:`),
    element("ul", {}, shown.map((child) => relativeItem(searchId, child, [trial, child], "there"))),
    shown.length < total ? element("p", {}, `${whole(total - shown.length)} more. `, button) : null,
  ];
}

let listed = 0;

async function showMore(searchId, trial) {
  listed += 1;
  try {
    await showLineage(searchId, trial);
    byId("children").querySelector("button")?.focus();
  } catch (error) {
    showBanner(explain(error));
  }
}

/** Shows all of it; children a page at a time, as many as were shown before. */
export async function showLineage(searchId, trial) {
  const parents = await Promise.all(trial.parents.map((parent) => getTrial(searchId, parent)));
  fill(byId("lineage"), origin(searchId, trial, parents));
  const shown = [];
  let page;
  do {
    page = await getChildren(searchId, trial.number, shown.at(-1)?.number ?? 0);
    shown.push(...page.trials);
  } while (shown.length < listed && page.next_page_token !== null);
  listed = shown.length;
  fill(byId("children"), children(searchId, trial, shown, page.total, () => showMore(searchId, trial)));
}
