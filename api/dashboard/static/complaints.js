// What the service says is wrong with a document, at the fields that it is about.

import { byId, element, show } from "./dom.js";

const IN_MESSAGE = /^([a-z_]+(?:\.\w+)+): (.*)$/s;

/** Messages about a whole section may name the place themselves. */
function placed({ place, message }) {
  const match = IN_MESSAGE.exec(message);
  return match ? { place: match[1], message: match[2] } : { place, message };
}

const isAt = (outer, inner) => inner === outer || inner.startsWith(`${outer}.`);

/** The field that an error is about: the one at its place, else the first inside it, else the closest around it. */
function fieldOf(fields, place) {
  if (place === "") return undefined;
  const around = fields.filter((each) => isAt(each.place, place)).sort((one, other) => other.place.length - one.place.length);
  return fields.find((each) => each.place === place) ?? fields.find((each) => isAt(place, each.place)) ?? around[0];
}

/** Where a value may be this or that, the service says what is wrong with it as either: the one that it was not is left out. */
const isOfOtherKind = (error, errors) => error.place === "data" && errors.some((other) => other.place.startsWith("data."));

function item({ place, message, target }) {
  const label = place === "" ? "document" : place;
  const go = () => {
    target.node.closest("details")?.setAttribute("open", "");
    target.node.querySelector("input, select, textarea, button")?.focus();
  };
  const name = target ? element("button", { type: "button", class: "link", onclick: go }, label) : label;
  return element("li", {}, name, `: ${message}`);
}

/** Shows the errors at their fields and as a list; none clears both. */
export function complain(fields, errors) {
  const meant = errors.filter((error) => !isOfOtherKind(error, errors)).map(placed);
  const found = meant.map((error) => ({ ...error, target: fieldOf(fields, error.place) }));
  for (const each of fields) {
    const mine = found.filter((error) => error.target === each);
    each.complain(mine.map(({ place, message }) => (place === each.place ? message : `${place}: ${message}`)).join("; "));
  }
  byId("problems").replaceChildren(...found.map(item));
  show("problems-section", found.length > 0);
}
