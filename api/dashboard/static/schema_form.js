// A form out of a JSON Schema: one field for each value, named by its place in the document.

import { element } from "./dom.js";
import { valueAt } from "./places.js";

/** Looks a schema up where it is a reference, and takes "or null" away: a field left empty says that. */
export const resolver = (root) => {
  const resolve = (schema) => {
    if (schema.$ref) return { ...resolve(root.$defs[schema.$ref.split("/").at(-1)]), ...("default" in schema ? { default: schema.default } : {}) };
    const choices = schema.anyOf?.filter((choice) => choice.type !== "null");
    if (choices?.length !== 1) return schema;
    const { anyOf: _, ...own } = schema;
    return { ...resolve(choices[0]), ...own };
  };
  return resolve;
};

/** A description of the schema; what stands in backticks is code. */
export const described = (text) => text.split("`").map((part, index) => (index % 2 === 1 ? element("code", {}, part) : part));

const isSection = (schema) => schema.properties !== undefined;
export const words = (key) => key.replaceAll("_", " ").replace(/\b(gpu|cpu|tpu|ap)(s?)\b/g, (_, name, plural) => name.toUpperCase() + plural);

/** Every field of a section and of those inside it: `{place, schema, isRequired}`. */
export function leaves(schema, resolve, prefix = "") {
  return Object.entries(schema.properties).flatMap(([key, raw]) => {
    const inner = resolve(raw);
    const place = prefix + key;
    if (isSection(inner)) return leaves(inner, resolve, `${place}.`);
    return [{ place, schema: inner, isRequired: schema.required?.includes(key) ?? false }];
  });
}

/** What was typed, as the document wants it: numbers as numbers, "350M" and the like as they are. */
function parsed(text, schema) {
  const trimmed = text.trim();
  if (trimmed === "") return undefined;
  const isNumeric = schema.type === "number" || schema.type === "integer";
  return isNumeric && Number.isFinite(Number(trimmed)) ? Number(trimmed) : trimmed;
}

const list = (text, schema) => {
  const items = text.split(",").map((item) => parsed(item, schema)).filter((item) => item !== undefined);
  return items.length > 0 ? items : undefined;
};

/** "name: value" on each line. */
function mapping(text, schema) {
  const pairs = text.split("\n").filter((line) => line.trim() !== "").map((line) => line.split(/[:=]/, 2));
  return pairs.length > 0 ? Object.fromEntries(pairs.map(([name, value = ""]) => [name.trim(), parsed(value, schema)])) : undefined;
}

const shown = (value) => (value === undefined || value === null ? "" : Array.isArray(value) ? value.join(", ") : String(value));

function select(attributes, schema, read, isRequired) {
  const options = schema.type === "boolean" ? ["true", "false"] : schema.enum;
  const first = isRequired ? "choose" : (schema.default ?? null) === null ? "left out" : `default: ${schema.default}`;
  const node = element("select", attributes, element("option", { value: "" }, first), options.map((option) => element("option", { value: option }, option)));
  return { node, value: () => read(node.value), show: (value) => (node.value = shown(value)) };
}

function input(attributes, read) {
  const node = element("input", { type: "text", autocomplete: "off", spellcheck: "false", ...attributes });
  return { node, value: () => read(node.value), show: (value) => (node.value = shown(value)) };
}

function textarea(attributes, schema) {
  const node = element("textarea", { rows: "3", spellcheck: "false", placeholder: "name: value", ...attributes });
  const show = (value) => (node.value = Object.entries(value ?? {}).map(([name, inner]) => `${name}: ${inner}`).join("\n"));
  return { node, value: () => mapping(node.value, schema.additionalProperties ?? {}), show };
}

/** The control for a schema: its node, what the document gets, and how a value is shown. */
function control(schema, attributes, isRequired, resolve) {
  if (schema.enum) return select(attributes, schema, (text) => text || undefined, isRequired);
  if (schema.type === "boolean") return select(attributes, schema, (text) => (text === "" ? undefined : text === "true"), isRequired);
  if (schema.type === "array") {
    const items = resolve(schema.items ?? schema.prefixItems?.[0] ?? {});
    return input({ ...attributes, placeholder: shown(schema.default) || "separated by commas" }, (text) => list(text, items));
  }
  if (schema.type === "object") return textarea(attributes, schema);
  const isNumeric = schema.type === "number" || schema.type === "integer";
  return input({ ...attributes, placeholder: shown(schema.default), inputmode: isNumeric ? "decimal" : null }, (text) => parsed(text, schema));
}

/** `onEdit(place, value)` is called for each change; `show(document)` fills in, `complain(message)` says what is wrong. */
export function field({ place, schema, isRequired }, resolve, onEdit, label = words(place.split(".").at(-1))) {
  const id = `field-${place}`;
  const attributes = { id, name: place, required: isRequired, "aria-describedby": `${id}-hint ${id}-error` };
  const made = control(schema, attributes, isRequired, resolve);
  const error = element("p", { class: "field-error", id: `${id}-error` });
  made.node.addEventListener("input", () => onEdit(place, made.value()));
  const node = element(
    "div",
    { class: "field" },
    element("label", { for: id }, label, isRequired ? element("span", { class: "quiet" }, " (wanted)") : null),
    made.node,
    element("p", { class: "hint", id: `${id}-hint` }, described(schema.description ?? "")),
    error,
  );
  return {
    place,
    node,
    show: (document) => made.show(valueAt(document, place)),
    complain(message) {
      error.textContent = message;
      made.node.setAttribute("aria-invalid", message === "" ? "false" : "true");
    },
  };
}
