// Building elements. Text is always set as text, never as markup.

/** An element with attributes (`on...` are listeners, false or null are left out) and children. */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined));
  return node;
}

export const byId = (id) => document.getElementById(id);

export function show(id, visible) {
  byId(id).hidden = !visible;
}

/** Replaces what a container holds, but only where it changed, so that focus and selection stay. */
export function fill(container, ...children) {
  const next = element("div", {}, ...children);
  if (container.innerHTML !== next.innerHTML) container.replaceChildren(...next.childNodes);
}
