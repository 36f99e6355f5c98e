// Drawings of architectures, inlined, so that they follow the theme and can be pointed at.

import { element } from "./dom.js";

const sheets = new Map();

/** The page allows no inline style elements, so a drawing's style sheet is adopted; `slot` is its place on the page. */
function adopt(slot, css) {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  sheets.set(slot, sheet);
  document.adoptedStyleSheets = [...sheets.values()];
}

/** The text of a drawing as an element; it replaces what was in `slot` before as far as styles go. */
export function drawing(text, slot) {
  const rules = [];
  const bare = text.replace(/<style>([^<]*)<\/style>/g, (_, css) => {
    rules.push(css);
    return "";
  });
  const svg = new DOMParser().parseFromString(bare, "image/svg+xml").documentElement;
  if (svg.nodeName !== "svg") return element("p", { class: "empty" }, "The drawing could not be read.");
  adopt(slot, rules.join("\n"));
  return element("div", { class: "drawing wide", tabindex: "0", role: "region", "aria-label": svg.getAttribute("aria-label") }, document.importNode(svg, true));
}
