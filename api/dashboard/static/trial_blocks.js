// The blocks of an architecture: what each is and costs, and how it was decided.

import { element } from "./dom.js";
import { amount, NONE } from "./format.js";
import { bar, number, table, word } from "./table.js";

const levelLabel = (level) => element("span", { class: `level level-${level}` }, `L${level}`);

/** What a block costs, by index: its own layers and its inputs. */
function costOfBlocks(parts) {
  const found = new Map();
  for (const part of parts) {
    const match = /^block (\d+)( inputs)?$/.exec(part.name);
    if (!match) continue;
    const entry = found.get(Number(match[1])) ?? {};
    found.set(Number(match[1]), { ...entry, [match[2] ? "inputs" : "own"]: part });
  }
  return found;
}

function role(spec, block, index, isDead) {
  if (isDead) return "dead, not built";
  if (index < spec.stem.blocks.length) return "stem";
  return block.is_output ? `output P${block.level}` : "";
}

/** Share of the backbone's multiply-adds, in words and as a bar. */
const share = (part, whole) => [`${((100 * part) / whole).toFixed(1)} %`, bar(part / whole)];

function blockRow(spec, block, index, cost, whole) {
  const [own, inputs] = [cost?.own, cost?.inputs];
  const multiplyAdds = (own?.multiply_adds ?? 0) + (inputs?.multiply_adds ?? 0);
  return [
    String(index),
    levelLabel(block.level),
    block.block_type + (block.repeats > 1 ? ` × ${block.repeats}` : ""),
    block.parents.join(", ") || NONE,
    role(spec, block, index, cost === undefined),
    own ? amount(own.multiply_adds) : NONE,
    inputs ? amount(inputs.multiply_adds) : NONE,
    own ? share(multiplyAdds, whole) : NONE,
    own ? amount(own.parameters + (inputs?.parameters ?? 0)) : NONE,
  ];
}

function otherRow(part, whole) {
  const isHead = part.kind === "head";
  const costs = [amount(part.multiply_adds), NONE, isHead ? NONE : share(part.multiply_adds, whole), amount(part.parameters)];
  return [NONE, isHead ? NONE : levelLabel(part.level), part.name, NONE, part.kind, ...costs];
}

/** One row for each block, and for what stands around the blocks. */
export function blockTable(spec, cost) {
  const whole = cost.total.backbone_multiply_adds;
  const costs = costOfBlocks(cost.parts);
  const blocks = [...spec.stem.blocks, ...spec.blocks].map((block, index) => blockRow(spec, block, index, costs.get(index), whole));
  const others = cost.parts.filter((part) => !part.name.startsWith("block ")).map((part) => otherRow(part, whole));
  const head = [
    number("Block"),
    word("Level"),
    word("Type"),
    word("Reads"),
    word("Role"),
    number("Multiply-adds"),
    number("of its inputs", "resampling and fusion"),
    number("Share of backbone"),
    number("Parameters"),
  ];
  return table(head, [...others.slice(0, 1), ...blocks, ...others.slice(1)], "Cost of each block");
}

const KINDS = {
  intermediate_level: (label) => `takes the ${label} block of the pool`,
  output_level: (label) => `is the output for ${label}`,
  level_adjustment: (label) => `adjusts its level by ${label}`,
  block_type: (label) => `is a ${label}`,
  parent: (label) => `reads block ${label}`,
  resource_multiplier: (label) => `gets ${label.replace("x", "")} × its resources`,
};

function chance(decision) {
  if (decision.num_options === 1) return "the only option";
  const even = `1 of ${decision.num_options}`;
  return decision.log_prob === null ? even : `${even}, probability ${Math.exp(decision.log_prob).toFixed(2)}`;
}

/** What was decided about each block, in words. */
export function decisionTable(decisions) {
  const blocks = [...new Set(decisions.map((decision) => decision.block))].sort((one, other) => one - other);
  const said = (decision) => element("li", {}, KINDS[decision.kind]?.(decision.label) ?? decision.label, element("span", { class: "quiet" }, ` (${chance(decision)})`));
  const rows = blocks.map((block) => [String(block), element("ul", { class: "plain" }, decisions.filter((each) => each.block === block).map(said))]);
  return table([number("Block"), word("What was decided")], rows, "Decisions");
}
