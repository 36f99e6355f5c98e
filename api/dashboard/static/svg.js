// Building SVG elements.

const SVG = "http://www.w3.org/2000/svg";

/** An SVG element with attributes (`on...` are listeners, null is left out) and children. */
export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** A title: what is read out, and shown where the pointer rests. */
export const titled = (text) => svg("title", {}, text);
