// The fields of a search document: those that most searches set, and all others by section.

import { dataFields } from "./data_field.js";
import { element } from "./dom.js";
import { described, field, leaves, words } from "./schema_form.js";
import { poolFields } from "./worker_fields.js";

const COMMON = [
  "name",
  "space",
  "algorithm.name",
  "algorithm.seed",
  "proxy.preset",
  "limits.trials",
  "limits.hours",
  "budget.relative_to",
  "budget.tolerance",
];
const COMMON_LABELS = {
  "algorithm.name": "algorithm",
  "algorithm.seed": "seed",
  "proxy.preset": "proxy preset",
  "budget.relative_to": "budget relative to",
  "budget.tolerance": "budget tolerance",
};
const WORKERS = "workers";

function sections(fields, schema, resolve) {
  const names = [...new Set(fields.map((each) => each.place.split(".")[0]))];
  return names.map((name) => {
    const about = resolve(schema.properties[name]).description ?? "";
    const inner = fields.filter((each) => each.place.split(".")[0] === name);
    return element("fieldset", {}, element("legend", {}, words(name)), element("p", { class: "hint" }, described(about)), element("div", { class: "fields" }, inner.map((each) => each.node)));
  });
}

/** The whole form over a search schema: nodes for its two parts, and every field there is now. */
export function searchForm(schema, resolve, onEdit) {
  const { data: dataSchema, [WORKERS]: workersSchema, ...rest } = schema.properties;
  const found = leaves({ ...schema, properties: rest }, resolve);
  const make = (leaf) => field(leaf, resolve, onEdit, COMMON_LABELS[leaf.place]);
  const common = COMMON.map((place) => found.find((leaf) => leaf.place === place)).filter(Boolean).map(make);
  const others = found.filter((leaf) => !COMMON.includes(leaf.place)).map((leaf) => field(leaf, resolve, onEdit));
  const data = dataFields(dataSchema, resolve, onEdit);
  const pools = poolFields(WORKERS, resolve(workersSchema), resolve, onEdit);
  const workers = element("fieldset", {}, element("legend", {}, "workers"), element("p", { class: "hint" }, "Pools of equal workers, each training one architecture at a time."), pools.node);
  const [name, space, ...settings] = common;
  return {
    common: [element("div", { class: "fields" }, name.node, space.node), data.node, element("div", { class: "fields" }, settings.map((each) => each.node)), workers],
    others: sections(others, schema, resolve),
    fields: () => [...common, ...data.fields, pools.whole, ...pools.rows(), ...others],
    show(document) {
      pools.whole.show(document);
      for (const each of [...common, ...data.fields, ...others]) each.show(document);
    },
  };
}
