// Trials without a reward, and attempts that were lost, by reason.

import { element } from "./dom.js";
import { whole } from "./format.js";
import { number, table, word } from "./table.js";
import { stateLabel } from "./state.js";

const plain = (name) => name.replaceAll("_", " ");

/** "2 diverged, 1 out of memory": why trials failed. */
export const failureWords = ({ reasons }) =>
  reasons.filter((each) => each.state === "failed").map((each) => `${whole(each.count)} ${plain(each.reason)}`).join(", ");

/** The trials by reason; null where there are none. */
export function reasonTable({ reasons }, searchPath) {
  if (reasons.length === 0) return null;
  const head = [word("State"), word("Reason"), number("Trials"), word("Last one")];
  const rows = reasons.map(({ state, reason, count, last_trial: last, last_message: message }) => [
    stateLabel(state),
    plain(reason),
    element("a", { href: `${searchPath}?trials=${state}#trials` }, whole(count)),
    [element("a", { href: `${searchPath}/trials/${last}` }, `trial ${last}`), element("span", { class: "quiet second note", title: message }, message)],
  ]);
  return table(head, rows, "Trials without a comparable reward");
}

/** "Of their attempts, 3 failed (worker lost), 1 was lost with its controller": those tried again included; null for none. */
export function attemptWords({ attempts }) {
  if (attempts.length === 0) return null;
  const one = ({ state, reason, count }) => `${whole(count)} ${state} (${reason === null ? "controller lost" : plain(reason)})`;
  return element("p", { class: "hint" }, `Attempts without a result, those that were tried again included: ${attempts.map(one).join(", ")}.`);
}
