// Two architectures beside each other: both drawings with the differences marked, the edits in words, and a table.

import { comparisonDrawingPath, exportPath, getComparison, getText, referenceDrawingPath } from "./api.js";
import { drawing } from "./drawing.js";
import { element } from "./dom.js";
import { amount, ap, apWithError, NONE, percentChange, signed } from "./format.js";
import { number, table, word } from "./table.js";

const drawingPath = (side) => (side.trial === null ? referenceDrawingPath(side.name) : exportPath(side.search, side.trial, "svg"));

/** Marks what only this side has; everything else steps back. */
function mark(picture, blocks, connections) {
  picture.classList.add("marked");
  for (const block of blocks) picture.querySelector(`[data-feature="${block}"]`)?.classList.add("differs");
  for (const [source, target] of connections) {
    for (const line of picture.querySelectorAll(`[data-source="${source}"][data-target="${target}"]`)) line.classList.add("differs");
  }
}

function sides(found) {
  const { blocks, moved } = found;
  return [
    {
      side: found.before,
      look: "was",
      blocks: [...found.removed_blocks, ...blocks.map((block) => block.before), ...moved.map(([before]) => before)],
      connections: found.removed_connections,
    },
    {
      side: found.after,
      look: "is",
      blocks: [...found.added_blocks, ...blocks.map((block) => block.after), ...moved.map(([, after]) => after)],
      connections: found.added_connections,
    },
  ];
}

async function markedDrawing({ side, look, blocks, connections }) {
  const picture = drawing(await getText(drawingPath(side)), look);
  mark(picture, blocks, connections);
  const link = side.trial === null ? side.name : element("a", { href: `/searches/${encodeURIComponent(side.search)}/trials/${side.trial}` }, side.name);
  return element("figure", { class: look }, element("figcaption", {}, element("span", { class: "swatch", "aria-hidden": "true" }), link), picture);
}

function figuresTable({ before, after, val_difference: val }) {
  const costRow = (name, key) => [name, amount(before.cost[key]), amount(after.cost[key]), percentChange(after.cost[key], before.cost[key])];
  const count = (name, key) => [name, String(before[key]), String(after[key]), String(after[key] - before[key]).replace("-", "−")];
  const reward = before.reward === null || after.reward === null ? NONE : signed(after.reward - before.reward);
  const onVal = (side) => apWithError(side.val_average_precision, side.val_standard_error, side.val_count);
  const interval = val ? [`${signed(val.value)} ± ${val.half_width.toFixed(3)}`, element("span", { class: "quiet second" }, val.is_significant ? "significant" : "no significant difference")] : NONE;
  const rows = [
    ["AP on val", onVal(before), onVal(after), interval],
    ["Reward, one training", ap(before.reward), ap(after.reward), reward],
    costRow("Multiply-adds, backbone", "backbone_multiply_adds"),
    costRow("with head", "detector_multiply_adds"),
    costRow("Parameters, backbone", "backbone_parameters"),
    costRow("with head", "detector_parameters"),
    count("Blocks", "num_blocks"),
    count("Dead blocks", "num_dead_blocks"),
  ];
  return table([word("At the target of this search"), number(before.name), number(after.name), number("Difference", "with a 95 % confidence interval (Welch) where there is one")], rows, "Figures of both");
}

function blocksTable(found) {
  if (found.blocks.length === 0) return null;
  const label = (block) => (block.before === block.after ? String(block.after) : `${block.before} → ${block.after}`);
  const rows = found.blocks.map((block) => [label(block), block.field, block.old || NONE, block.new || NONE]);
  return table([number("Block"), word("Field"), word(found.before.name), word(found.after.name)], rows, "Blocks that differ");
}

/** The difference in one picture, looked up when it is opened. */
function onePicture(searchId, trialNumber, other) {
  const details = element("details", {}, element("summary", {}, "Both in one picture"));
  details.addEventListener("toggle", async () => details.append(drawing(await getText(comparisonDrawingPath(searchId, trialNumber, other)), "both")), { once: true });
  return details;
}

function words({ edits, before, after }) {
  if (edits.length === 0) return [element("p", {}, `${after.name} and ${before.name} are the same network.`)];
  const counted = edits.length === 1 ? "One edit makes" : `${edits.length} edits make`;
  return [
    element("p", {}, `${counted} ${after.name} of ${before.name}. Grey is in both; blocks have the numbers of ${after.name} in the list.`),
    element("ol", { class: "edits" }, edits.map((edit) => element("li", {}, edit))),
  ];
}

/** Everything that differs between the trial and what `other` names, as elements. */
export async function comparison(searchId, trialNumber, other) {
  const found = await getComparison(searchId, trialNumber, other);
  const pictures = await Promise.all(sides(found).map(markedDrawing));
  return [
    element("div", { class: "compared" }, pictures),
    element("h3", {}, "In words"),
    words(found),
    onePicture(searchId, trialNumber, other),
    element("h3", {}, "In figures"),
    figuresTable(found),
    blocksTable(found),
  ];
}
