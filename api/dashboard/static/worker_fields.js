// Pools of workers: as many rows as there are pools.

import { element } from "./dom.js";
import { valueAt } from "./places.js";
import { field, leaves } from "./schema_form.js";

/**
 * Rows of fields for a list of sections at `place`. `rows` are rebuilt by `show(document)`; `onEdit` gets single values,
 * and the whole list where a row comes or goes.
 */
export function poolFields(place, schema, resolve, onEdit) {
  const section = resolve(schema.items);
  const body = element("div", {});
  const error = element("p", { class: "field-error", id: `field-${place}-error` });
  let pools = [{}];
  let fields = [];

  function change(next) {
    onEdit(place, next);
    render({ [place]: next });
  }

  function row(document, index) {
    const made = leaves(section, resolve, `${place}.${index}.`).map((leaf) => field(leaf, resolve, edit));
    for (const each of made) each.show(document);
    fields.push(...made);
    const remove = element("button", { type: "button", onclick: () => change(pools.filter((_, other) => other !== index)) }, `Remove pool ${index + 1}`);
    return element("div", { class: "fields pool", role: "group", "aria-label": `Pool ${index + 1}` }, made.map((each) => each.node), pools.length > 1 ? remove : null);
  }

  function edit(at, value) {
    const [, index, key] = at.split(".");
    pools = pools.map((pool, other) => (String(other) === index ? { ...pool, [key]: value } : pool));
    onEdit(at, value);
  }

  function render(document) {
    pools = valueAt(document, place) ?? [{}];
    fields = [];
    body.replaceChildren(...pools.map((_, index) => row({ [place]: pools }, index)));
  }

  const add = element("button", { type: "button", onclick: () => change([...pools, {}]) }, "Add a pool");
  const node = element("div", { class: "field wide-field" }, body, add, error);
  const whole = { place, node, show: render, complain: (message) => (error.textContent = message) };
  return { node, whole, rows: () => fields };
}
