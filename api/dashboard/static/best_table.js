// The table of the best architectures, with the references below.

import { exportPath } from "./api.js";
import { isOther } from "./best_by.js";
import { byId, element, fill, show } from "./dom.js";
import { FORMATS, madeFirst } from "./export_formats.js";
import { amount, ap, apWithError, latency, NONE, signed } from "./format.js";
import { reuseNote } from "./reuse.js";
import { thumbnail } from "./thumbnail.js";

function difference(trial) {
  if (!trial.difference) return NONE;
  const { value, half_width: half, is_significant: isSignificant, reference } = trial.difference;
  const title = `AP on val less that of ${reference}, with the 95 % confidence interval (Welch)`;
  const interval = element("span", { title }, `${signed(value)} ± ${half.toFixed(3)}`);
  return isSignificant ? interval : [interval, element("span", { class: "quiet second" }, " no significant difference")];
}

function exports(searchId, number, label) {
  return FORMATS.map(([format, text]) => [
    element("a", { href: exportPath(searchId, number, format), download: true, title: text, "aria-label": `Export ${label} as ${format}`, ...madeFirst(format, label) }, format),
    " ",
  ]);
}

function row(searchId, trial, rank, selected) {
  const isReference = trial.arm === "reference";
  const label = isReference ? trial.name : `trial ${trial.number}`;
  const number = (content) => element("td", { class: "number" }, content);
  return element(
    "tr",
    { class: isReference ? "reference" : null, "aria-selected": trial.number === selected ? "true" : null },
    number(rank),
    element("td", { class: "pictured" }, thumbnail(searchId, trial.number, trial.fingerprint), element("a", { href: `#trial=${trial.number}` }, label)),
    element("td", {}, isReference ? "published" : trial.arm),
    number([ap(trial.reward), " ", reuseNote(searchId, trial.reused_from)]),
    number(apWithError(trial.val_average_precision, trial.val_standard_error, trial.val_count)),
    number(difference(trial)),
    number(amount(trial.target_cost.backbone_multiply_adds)),
    number(amount(trial.target_cost.backbone_parameters)),
    element("td", { class: "number timed" }, latency(trial.latency)),
    number(String(trial.num_dead_blocks)),
    element("td", { class: "exports" }, exports(searchId, trial.number, label)),
  );
}

/** Shows the answer of `trials:best`; `selected` is the number of the trial shown below. */
export function showBest(searchId, best, selected, isFinal) {
  fill(byId("best-found"), best.trials.map((trial, index) => row(searchId, trial, String(index + 1), selected)));
  fill(byId("best-references"), best.references.map((trial) => row(searchId, trial, "ref", selected)));
  const isEmpty = best.trials.length + best.references.length === 0;
  show("best", !isEmpty);
  show("best-empty", isEmpty || (isOther() && best.trials.length === 0));
  const none = isFinal ? "No trial was completed." : "Architectures appear here, best first, once trials complete.";
  byId("best-empty").textContent = isOther() ? "No trial is like that." : none;
}
