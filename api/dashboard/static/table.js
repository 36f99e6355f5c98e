// A plain table that scrolls sideways where it is too wide.

import { element } from "./dom.js";

export const number = (name, title = null) => ({ name, title, isNumber: true });
export const word = (name, title = null) => ({ name, title, isNumber: false });

/** A table under `head` (made by `number` and `word`); a cell of `rows` is what `element` takes as a child. */
export function table(head, rows, label) {
  const cell = (tag, content, column) => element(tag, { class: column.isNumber ? "number" : null }, content);
  const heading = (column) => element("th", { scope: "col", class: column.isNumber ? "number" : null, title: column.title }, column.name);
  return element(
    "div",
    { class: "wide", tabindex: "0", role: "region", "aria-label": label },
    element(
      "table",
      {},
      element("thead", {}, element("tr", {}, head.map(heading))),
      element("tbody", {}, rows.map((row) => element("tr", {}, row.map((content, index) => cell("td", content, head[index]))))),
    ),
  );
}

/** A share in [0, 1] as a bar; what it says is written beside it. */
export const bar = (share) => element("progress", { max: "1", value: String(Math.max(0, Math.min(1, share))), "aria-hidden": "true" });
