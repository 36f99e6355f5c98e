// Values of a search document by their place, such as "limits.trials" or "workers.0.count".

const isIndex = (part) => /^\d+$/.test(part);

/** The value at a place; undefined where there is none. */
export function valueAt(document, place) {
  return place.split(".").reduce((value, part) => (value === null || value === undefined ? undefined : value[part]), document);
}

const isEmpty = (value) => value === undefined || (typeof value === "object" && value !== null && Object.keys(value).length === 0);

function put(value, parts, next) {
  if (parts.length === 0) return next;
  const [part, ...rest] = parts;
  if (isIndex(part)) {
    const list = Array.isArray(value) ? [...value] : [];
    list[Number(part)] = put(list[Number(part)], rest, next) ?? {};
    return list;
  }
  const copy = typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : {};
  const inner = put(copy[part], rest, next);
  if (isEmpty(inner)) delete copy[part];
  else copy[part] = inner;
  return copy;
}

/** A copy of the document with this value at the place; undefined takes it out, with sections that become empty. */
export const withValue = (document, place, value) => put(document, place.split("."), value);

const isMapping = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
const isSame = (one, other) => JSON.stringify(one) === JSON.stringify(other);

/** What is left of a value when everything that a schema would fill in by itself is taken out; undefined for nothing. */
export function withoutDefaults(value, schema, resolve) {
  if (value === null || isSame(value, schema.default)) return undefined;
  const { properties } = resolve(schema);
  if (!isMapping(value) || !properties) return value;
  const kept = Object.entries(value).map(([key, inner]) => [key, properties[key] ? withoutDefaults(inner, properties[key], resolve) : inner]);
  const document = Object.fromEntries(kept.filter(([, inner]) => inner !== undefined));
  return isEmpty(document) ? undefined : document;
}

/** The fields of `value` that the closest of the examples does not have, after the name that picks this example. */
export function closest(value, examples, name) {
  const differing = (example) => Object.entries(value).filter(([key, inner]) => key !== name && !isSame(inner, example[key]));
  const best = examples.reduce((one, other) => (differing(other).length < differing(one).length ? other : one));
  return { [name]: best[name], ...Object.fromEntries(differing(best)) };
}

/** The JSON merge patch (RFC 7396) that makes `wanted` of a document. Values that stay are in it too: they are wanted as they are. */
export function patchTo(document, wanted) {
  const gone = Object.keys(document).filter((key) => !(key in wanted)).map((key) => [key, null]);
  const kept = Object.entries(wanted).map(([key, value]) => [key, isMapping(value) ? patchTo(isMapping(document[key]) ? document[key] : {}, value) : value]);
  return Object.fromEntries([...gone, ...kept]);
}
