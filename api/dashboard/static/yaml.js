// A search document as YAML that people would have written.

const PLAIN = /^[A-Za-z_/][\w ./+-]*$/;
const WORDS = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

function scalar(value) {
  if (typeof value !== "string") return String(value);
  const isPlain = PLAIN.test(value) && !WORDS.includes(value.toLowerCase()) && value.trim() === value;
  return isPlain ? value : JSON.stringify(value);
}

const isLeaf = (value) => typeof value !== "object" || value === null;

/** Short and without sections inside: it fits on its line. */
function inline(value) {
  if (isLeaf(value)) return scalar(value);
  const isList = Array.isArray(value);
  if (!Object.values(value).every((inner) => isLeaf(inner) || (isList && Object.values(inner).every(isLeaf)))) return null;
  const items = isList ? value.map(inline) : Object.entries(value).map(([key, inner]) => `${key}: ${scalar(inner)}`);
  const text = isList ? `[${items.join(", ")}]` : `{${items.join(", ")}}`;
  return text.length <= 64 ? text : null;
}

function lines(value, indent) {
  return Object.entries(value).flatMap(([key, inner]) => {
    const short = inline(inner);
    if (short !== null) return [`${indent}${key}: ${short}`];
    const deeper = `${indent}  `;
    if (!Array.isArray(inner)) return [`${indent}${key}:`, ...lines(inner, deeper)];
    const items = inner.map((item) => (isLeaf(item) ? scalar(item) : inline(item) ?? JSON.stringify(item)));
    return [`${indent}${key}:`, ...items.map((item) => `${deeper}- ${item}`)];
  });
}

/** The document, a mapping, as text. */
export const toYaml = (document) => `${lines(document, "").join("\n")}\n`;
