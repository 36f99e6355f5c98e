// Who trained what, when: a row for each worker, a bar for each attempt.

import { element } from "./dom.js";
import { duration, NONE, secondsBetween, time } from "./format.js";
import { stateLabel } from "./state.js";
import { svg, titled } from "./svg.js";
import { number, table, word } from "./table.js";

const [WIDTH, LABEL, ROW, FOOT] = [1100, 110, 22, 24];
const KINDS = { latency: "timing the network", proxy: "training for the reward", reevaluate: "training measured on val", full_train: "full training" };
const kindWords = (kind) => KINDS[kind] ?? kind.replaceAll("_", " ");

/** "3 busy, 1 lost"; empty where there are none. */
export function workerWords(workers) {
  const counted = ["busy", "idle", "lost"].map((state) => [state, workers.filter((worker) => worker.state === state).length]);
  return counted.filter(([, count]) => count > 0).map(([state, count]) => `${count} ${state}`).join(", ");
}

function span(each, across, top, now, searchPath) {
  const end = each.finished_at ?? now;
  const [left, right] = [across(each.started_at), across(end)];
  const words = `trial ${each.trial}, ${kindWords(each.kind)}, ${each.state.replaceAll("_", " ")}, ${duration(secondsBetween(each.started_at, end))}`;
  const place = { x: left.toFixed(1), y: top + 3, width: Math.max(1.5, right - left - 0.5).toFixed(1), height: ROW - 6 };
  return svg("rect", { class: `span ${each.state} ${lookOf(each)}`, ...place, onclick: () => location.assign(`${searchPath}/trials/${each.trial}`) }, titled(words));
}

/** The picture of the last attempts; null where there are none. */
export function timeline({ workers, spans }, now, searchPath) {
  if (spans.length === 0) return null;
  const first = spans.reduce((least, each) => (each.started_at < least ? each.started_at : least), spans[0].started_at);
  const last = spans.some((each) => each.finished_at === null) ? now : spans.reduce((most, each) => (each.finished_at > most ? each.finished_at : most), first);
  const [from, to] = [new Date(first).getTime(), Math.max(new Date(last).getTime(), new Date(first).getTime() + 1000)];
  const across = (iso) => LABEL + (Math.min(1, Math.max(0, (new Date(iso).getTime() - from) / (to - from)))) * (WIDTH - LABEL);
  const names = [...new Set([...workers.map((worker) => worker.name), ...spans.map((each) => each.worker)])];
  const height = names.length * ROW + FOOT;
  const words = `The last ${spans.length} attempts of ${names.length} workers`;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${height}`, class: "timeline", role: "img", "aria-label": words });
  names.forEach((name, row) => {
    const mine = spans.filter((each) => each.worker === name).map((each) => span(each, across, row * ROW, now, searchPath));
    picture.append(svg("text", { class: "end", x: LABEL - 8, y: row * ROW + 15 }, name), svg("line", { class: "grid", x1: LABEL, x2: WIDTH, y1: (row + 1) * ROW, y2: (row + 1) * ROW }), ...mine);
  });
  picture.append(svg("text", { x: LABEL, y: height - 7 }, time(first).text), svg("text", { class: "end", x: WIDTH, y: height - 7 }, last === now ? "now" : time(last).text));
  return picture;
}

const ENDS = { failed: "failed", lost: "failed", cancelled: "cancelled", stopped: "cancelled" };
const LOOKS = { ...KINDS, failed: "failed or lost", cancelled: "cancelled or stopped" };
const lookOf = (each) => ENDS[each.state] ?? each.kind;

/** What the colours of the timeline mean: those that it has. */
export function timelineKeys(spans) {
  const seen = new Set(spans.map(lookOf));
  const shown = Object.entries(LOOKS).filter(([look]) => seen.has(look));
  return element("p", { class: "keys" }, shown.map(([look, text]) => element("span", {}, element("span", { class: `swatch key-${look}`, "aria-hidden": "true" }), text)));
}

const HEAD = [word("Worker"), word("State"), word("At work on"), number("Since"), number("Attempts"), number("At work"), number("Lost")];

/** The workers as a table. */
export function workerTable(workers, searchPath) {
  const rows = workers.map((worker) => {
    const since = worker.since && time(worker.since);
    const work = worker.trial === null ? NONE : [element("a", { href: `${searchPath}/trials/${worker.trial}` }, `trial ${worker.trial}`), ` ${kindWords(worker.kind)}`];
    const at = since ? element("time", { datetime: worker.since, title: since.utc }, since.text) : NONE;
    return [worker.name, stateLabel(worker.state), work, at, String(worker.attempts), duration(worker.busy_seconds), String(worker.lost)];
  });
  return table(HEAD, rows, "Workers");
}
