// Where the pictures are: generated ones, or a data set of one's own.

import { element } from "./dom.js";
import { field, leaves } from "./schema_form.js";

const GENERATED = "generated";
const PLACES = { "data.root": "folder", "data.reward_split": "reward split" };
const nameOf = (place) => PLACES[place] ?? place.split(".").slice(1).join(", ");

/** Fields of `data`, behind a choice. `schema` is a union of the word "generated" and a section. */
export function dataFields(schema, resolve, onEdit) {
  const section = schema.anyOf.map(resolve).find((choice) => choice.properties);
  const own = leaves(section, resolve, "data.").map((leaf) => field(leaf, resolve, onEdit, nameOf(leaf.place)));
  const inner = element("div", { class: "fields" }, own.map((each) => each.node));
  const choice = element("select", { id: "field-data", name: "data" }, element("option", { value: GENERATED }, "generated"), element("option", { value: "own" }, "own data, COCO format"));
  const error = element("p", { class: "field-error", id: "field-data-error" });
  choice.setAttribute("aria-describedby", error.id);
  choice.addEventListener("input", () => {
    inner.hidden = choice.value === GENERATED;
    onEdit("data", choice.value === GENERATED ? GENERATED : undefined);
    for (const each of own) each.show({});
  });
  const node = element("div", { class: "field wide-field" }, element("label", { for: choice.id }, "data"), choice, error, inner);
  const whole = {
    place: "data",
    node,
    show(document) {
      const isGenerated = document.data === GENERATED || document.data === undefined;
      choice.value = isGenerated ? GENERATED : "own";
      inner.hidden = isGenerated;
    },
    complain(message) {
      error.textContent = message;
    },
  };
  return { node, fields: [whole, ...own] };
}
