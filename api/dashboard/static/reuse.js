// Where a reused reward was measured.

import { element } from "./dom.js";

/** "reused from trial 4", or "... of SEARCH" where that is another search; null for a trial of its own training. */
export function reuseNote(searchId, source) {
  if (!source) return null;
  const isHere = source.search === searchId;
  const href = `${isHere ? "" : `/searches/${encodeURIComponent(source.search)}`}#trial=${source.trial}`;
  return element("span", { class: "quiet second" }, "reused from ", element("a", { href }, `trial ${source.trial}`), isHere ? null : ` of ${source.search}`);
}
