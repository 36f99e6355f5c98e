// States as a dot and a word; colour never stands alone.

import { element } from "./dom.js";

export const FINAL = ["succeeded", "failed", "cancelled"];

export function stateLabel(state) {
  return element("span", { class: `state ${state}` }, element("span", { class: "dot", "aria-hidden": "true" }), state.replaceAll("_", " "));
}
